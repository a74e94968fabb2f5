"""The run folder of a job, and what its records say about the job."""

from __future__ import annotations

import json
import os
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from calm_pl.atomic_files import remove_unfinished
from calm_pl.config.callbacks import CALLBACKS
from calm_pl.config.compose import config_hash, to_yaml
from calm_pl.config.schema import Config, ModelConfig, RunConfig
from calm_pl.errors import RunError
from calm_pl.jobs.provenance import COMMAND, Command
from calm_pl.regular_files import read_regular
from calm_pl.runs.files import remove_files
from calm_pl.runs.folder import title_of
from calm_pl.runs.lock import RunLock

# By torchrun, Lightning, SLURM and LSF; on rank 0 of node 0 each that is set is 0.
_RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK", "NODE_RANK", "GROUP_RANK")
RUN, SWEEP, MASK = "results.json", "sweep.json", "mask.safetensors"


def run_files() -> tuple[str, ...]:
    """Return the names of what runs leave, those of masks too; `config.yaml` is every job's."""
    return (*(name for row in CALLBACKS for name in row.files), MASK)


class _Kind(NamedTuple):
    """What a kind of job leaves.

    Attributes:
        what: in words.
        other: another one, in words.
        files: by name.
        kept: what overwriting keeps, in words.
    """

    what: str
    other: str
    files: tuple[str, ...]
    kept: str = ""


_KINDS = {
    RUN: _Kind("a run", "the results of another configuration", run_files()),
    SWEEP: _Kind(
        "a sweep",
        "another sweep",
        (SWEEP, "sweep.csv", "sweep.parquet"),
        ": shared rows are kept, the others are deleted",
    ),
}


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
        job_type: the command that such jobs are of.
        made_by: the command line that made it; None from Python.
        load_seconds: time to load model and data tables.
        started: `time.perf_counter()` at the start.
    """

    run_dir: Path
    benchmark: str
    model_path: str
    config_yaml: str
    config_hash: str
    limit: int | None = None
    job_type: str = "fit-free"
    made_by: Command | None = field(default_factory=COMMAND.get)
    load_seconds: float = 0.0
    started: float = field(default_factory=time.perf_counter)
    _lock: RunLock | None = field(default=None, repr=False)
    _is_new: bool = field(default=False, repr=False)

    def claim(self, overwrite: bool, kind: str = RUN, lock: bool = True) -> None:
        """Make sure that results can be written to the run folder, and by this job alone.

        Args:
            overwrite: let the results of another configuration, or of another kind of job, be replaced.
            kind: the file that such a job writes last, `RUN` or `SWEEP`.
            lock: keep other jobs out of the folder until `close`.

        Raises:
            RunError: it cannot be written, holds the results of another configuration or kind, or is in use.
        """
        self._is_new = not self.run_dir.exists()
        _refuse_unwritable(self.run_dir)
        if lock:
            self._lock = RunLock(self.run_dir)
            for folder in (self.run_dir, self.run_dir / "figures"):
                remove_unfinished(folder)
        try:
            self._refuse_others(overwrite, kind)
        except BaseException:
            self.close()
            raise

    def _refuse_others(self, overwrite: bool, kind: str) -> None:
        other = hash_of_results(self.run_dir / kind)
        if other not in (None, self.config_hash) and not overwrite:
            raise RunError(
                f"{self.run_dir} holds {_KINDS[kind].other} (hash {str(other)[:8]}, this one"
                f" {self.config_hash[:8]}). Choose another run.dir, or set run.overwrite=true"
                f"{_KINDS[kind].kept}."
            )
        for name, one in _KINDS.items():
            if name != kind and (self.run_dir / name).exists():
                if not overwrite:
                    raise RunError(
                        f"{self.run_dir} holds {one.what}. Choose another run.dir, or set run.overwrite=true."
                    )
                remove_files(self.run_dir, one.files)

    def close(self) -> None:
        """Let other jobs have the folder; remove it if this one made it and wrote nothing there."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None
        if self._is_new:
            with suppress(OSError):  # something is in it
                self.run_dir.rmdir()

    @property
    def elapsed(self) -> float:
        """Return the seconds since the command, or else the job, was started."""
        return time.perf_counter() - (self.started if self.made_by is None else self.made_by.started)

    @property
    def title(self) -> str:
        """Return what stands above its tables."""
        return title_of(self.benchmark, self.model_path, self.limit)


def run_folder(run: RunConfig, what: str, digest: str) -> Path:
    """Return a job's folder: the configured one, or one named after what it does and its hash."""
    return Path(run.dir or Path("runs") / (run.name or f"{what}-{digest[:8]}"))


def model_name(model: ModelConfig) -> str:
    """Return the last part of a model's path."""
    return Path(model.path.removeprefix("bundled:")).name


def open_record(config: Config, lock: bool = True) -> JobRecord:
    """Choose the run folder and make sure that results can be written there.

    Args:
        config: the configuration.
        lock: keep other jobs out of the folder until the record is closed.

    Raises:
        RunError: it cannot be written, holds the results of another configuration, or is in use.
    """
    digest = config_hash(config)
    run_dir = run_folder(config.run, f"{config.data.benchmark}-{model_name(config.model)}", digest)
    record = JobRecord(
        run_dir, config.data.benchmark, config.model.path, to_yaml(config), digest, config.data.limit
    )
    if is_rank_zero():
        record.claim(config.run.overwrite, lock=lock)
    return record


def _refuse_unwritable(run_dir: Path) -> None:
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=run_dir):
            pass
    except OSError as error:
        raise RunError(
            f"The run folder {str(run_dir)!r} cannot be written: {error.strerror}."
            " Choose another with run.dir=FOLDER."
        ) from error


def hash_of_results(path: Path) -> str | None:
    """Return the configuration's hash in a run folder's JSON file; None if there is none."""
    try:
        return str(json.loads(read_regular(path))["config_hash"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        return "unreadable"


def is_rank_zero() -> bool:
    """Return whether this process writes and prints; known before the ranks are started."""
    return all(os.environ.get(name, "0") in ("0", "") for name in _RANKS)
