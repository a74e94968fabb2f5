"""The job's run on Weights & Biases: where it goes, and a logger whose failures cost no results."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Any

from calm_pl.config.schema import WandbConfig
from calm_pl.jobs.record import JobRecord
from calm_pl.runs.folder import LIMITED

if TYPE_CHECKING:
    from lightning.pytorch.loggers import WandbLogger

_PROJECT = "calm_pl"
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
    return _lenient()(
        name=settings.name or os.environ.get("WANDB_NAME") or record.run_dir.name,
        save_dir=record.run_dir,
        project=settings.project or known.project or _PROJECT,
        offline=mode == "offline",
        tags=[*settings.tags, *([] if record.limit is None else [LIMITED])] or None,
        entity=settings.entity,
        group=settings.group,
    )


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
