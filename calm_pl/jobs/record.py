"""The run folder of a job, and what its records say about the job."""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from calm_pl.config.compose import config_hash, to_yaml
from calm_pl.config.schema import Config
from calm_pl.errors import RunError
from calm_pl.runs.folder import title_of


@dataclass
class JobRecord:
    """What a job's records say about it.

    Attributes:
        run_dir: where they go.
        benchmark: name of the benchmark.
        model_path: as configured.
        config_yaml: the resolved configuration.
        config_hash: over what can change results.
        limit: clips per side, where the job is only a try; see `DataSettings.limit`.
        load_seconds: time to load model and data tables.
        started: `time.perf_counter()` at the start.
    """

    run_dir: Path
    benchmark: str
    model_path: str
    config_yaml: str
    config_hash: str
    limit: int | None = None
    load_seconds: float = 0.0
    started: float = field(default_factory=time.perf_counter)

    @property
    def title(self) -> str:
        """Return what stands above its tables."""
        return title_of(self.benchmark, self.model_path, self.limit)


def open_record(config: Config) -> JobRecord:
    """Choose the run folder and make sure that results can be written there.

    Raises:
        RunError: it cannot be written, or holds the results of another configuration.
    """
    digest = config_hash(config)
    model = Path(config.model.path.removeprefix("bundled:")).name
    name = config.run.name or f"{config.data.benchmark}-{model}-{digest[:8]}"
    run_dir = Path(config.run.dir or Path("runs") / name)
    record = JobRecord(
        run_dir, config.data.benchmark, config.model.path, to_yaml(config), digest, config.data.limit
    )
    if is_rank_zero():
        claim_folder(run_dir, digest, config.run.overwrite)
    return record


def claim_folder(run_dir: Path, digest: str, overwrite: bool) -> None:
    """Make sure that results can be written to a run folder.

    Args:
        run_dir: the folder.
        digest: hash of the configuration.
        overwrite: let the results of another configuration be replaced.

    Raises:
        RunError: it cannot be written, or holds the results of another configuration.
    """
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=run_dir):
            pass
    except OSError as error:
        raise RunError(
            f"The run folder {str(run_dir)!r} cannot be written: {error.strerror}."
            " Choose another with run.dir=FOLDER."
        ) from error
    other = hash_of_results(run_dir / "results.json")
    if other not in (None, digest) and not overwrite:
        raise RunError(
            f"{run_dir} holds the results of another configuration (hash {str(other)[:8]}, this one"
            f" {digest[:8]}). Choose another run.dir, or set run.overwrite=true."
        )


def hash_of_results(path: Path) -> str | None:
    """Return the configuration's hash in a run folder's JSON file; None if there is none."""
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["config_hash"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        return "unreadable"


def is_rank_zero() -> bool:
    """Return whether this process writes and prints; known before the ranks are started."""
    from lightning.pytorch.utilities import rank_zero_only

    return getattr(rank_zero_only, "rank", 0) == 0
