"""The job's run on Weights & Biases: where it goes, and a logger whose failures cost no results."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from calm_pl.atomic_files import write_text
from calm_pl.config.schema import WandbConfig
from calm_pl.jobs.record import JobRecord, is_rank_zero
from calm_pl.runs.folder import LIMITED

if TYPE_CHECKING:
    from lightning.pytorch.loggers import WandbLogger

_PROJECT = "calm_pl"
_LONGEST_TAG, _LONGEST_GROUP = 64, 128  # of W&B
_ID_FILE = "calm_pl.json"
_TRUE = ("true", "1", "yes", "on")


def build_wandb(settings: WandbConfig, record: JobRecord) -> WandbLogger | None:
    """Return the job's run on Weights & Biases; None where it is disabled.

    Where the configuration is silent, W&B's own environment and its `wandb/settings` are asked.
    """
    if mode_of(settings) == "disabled":
        return None
    import wandb

    known: Any = wandb.setup(wandb.Settings(silent=True)).settings
    mode: Any = mode_of(settings) or (known.mode if known.mode in ("offline", "disabled") else "offline")
    if mode == "disabled":
        return None
    wandb.setup(wandb.Settings(silent=True, mode=mode))
    resumed: dict[str, Any] = {} if mode == "offline" else {"resume": "allow"}  # offline W&B warns of it
    tags = _tags(record)
    return _lenient()(
        id=_run_id(record),
        **resumed,
        name=settings.name or os.environ.get("WANDB_NAME") or record.run_dir.name,
        save_dir=record.run_dir,
        project=settings.project or known.project or _PROJECT,
        offline=mode == "offline",
        tags=[*settings.tags, *tags, *([] if record.limit is None else [LIMITED])],
        entity=settings.entity,
        group=settings.group or os.environ.get("WANDB_RUN_GROUP") or ", ".join(tags)[:_LONGEST_GROUP],
        job_type=os.environ.get("WANDB_JOB_TYPE") or record.job_type,
    )


def _tags(record: JobRecord) -> list[str]:
    """Return what W&B finds runs by: benchmark, model and, where there are any, shots."""
    data = (yaml.safe_load(record.config_yaml) or {}).get("data", {})
    words = [record.benchmark, Path(record.model_path.removeprefix("bundled:")).name]
    if "shots" in data:
        words.append("all support clips" if data["shots"] is None else f"{data['shots']} shots")
    return [word[:_LONGEST_TAG] for word in words]


def _run_id(record: JobRecord) -> str | None:
    """Return the id of the folder's run, one for each configuration; None where W&B's agent gives one."""
    if any(os.environ.get(name) for name in ("WANDB_RUN_ID", "WANDB_SWEEP_ID")) or not is_rank_zero():
        return None
    path = record.run_dir / "wandb" / _ID_FILE
    known = _ids(path)
    same = [one for one, digest in known.items() if digest == record.config_hash]
    run_id = same[0] if same else secrets.token_hex(4)
    ids = {one: known[one] for one in known if one != run_id} | {run_id: record.config_hash}  # it is the last
    write_text(path, json.dumps(ids) + "\n")
    return run_id


def _ids(path: Path) -> dict[str, str]:
    """Return the ids that jobs gave their runs in a folder, with the configuration's hash of each."""
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(one): str(digest) for one, digest in known.items()} if isinstance(known, dict) else {}


def remove_replaced(run_dir: Path) -> None:
    """Remove the offline runs of earlier jobs in a run folder, so that one is left to sync."""
    known = list(_ids(run_dir / "wandb" / _ID_FILE))
    folder = run_dir / "wandb"
    runs = []
    for one in known:  # W&B numbers runs that begin in one second
        runs += sorted({*folder.glob(f"offline-run-*-{one}"), *folder.glob(f"offline-run-*-{one}-[0-9]*")})
    for path in runs[:-1]:
        shutil.rmtree(path, ignore_errors=True)


def mode_of(settings: WandbConfig) -> str | None:
    """Return the mode by the configuration or the environment; None where both are silent."""
    if settings.mode is not None:
        return settings.mode
    if os.environ.get("WANDB_DISABLED", "").lower() in _TRUE:
        return "disabled"
    mode = os.environ.get("WANDB_MODE", "").lower()
    return {"dryrun": "offline", "run": "online", "shared": "online"}.get(mode, mode) or None


def _lenient() -> type[WandbLogger]:
    """Return the logger's class; Lightning is imported by now."""
    from lightning.pytorch.loggers import WandbLogger

    class LenientWandbLogger(WandbLogger):
        """Warns once where W&B cannot take what it is given; the start of its run is still an error."""

        _warned = False

        def log_metrics(self, metrics: Any, step: int | None = None) -> None:
            _ = self.experiment
            try:
                super().log_metrics(metrics, step)
            except Exception as error:  # its helper may be gone, or the disk full
                if not self._warned:
                    self._warned = True
                    warnings.warn(f"Weights & Biases takes no more metrics: {error}", stacklevel=2)

    return LenientWandbLogger
