"""Progress bar that counts clips, or questions where these are more; plain lines if there is no terminal."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar

from calm_pl.data.loading.batches import Batch
from calm_pl.data.questions.clips import Query
from calm_pl.data.questions.counting import unit
from calm_pl.distributed import SharedCount
from calm_pl.jobs.record import JobRecord
from calm_pl.methods import METHODS
from calm_pl.progress import Progress, say

_STAGES = itertools.count(
    1
)  # of this process: ranks count together, and jobs of one process keep their group


class ClipProgress(ProgressBar):
    """What a job does, a line a phase; clips of all ranks, rate, time left, cached and failed clips."""

    def __init__(self) -> None:
        super().__init__()
        self._enabled = True
        self._stage: _Stage | None = None

    def disable(self) -> None:
        """Turn the bar off; Lightning calls this on ranks other than 0."""
        self._enabled = False

    def enable(self) -> None:
        """Turn the bar on."""
        self._enabled = True

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start counting support clips."""
        self._begin("support", trainer, pl_module)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start counting query clips."""
        self._begin("query", trainer, pl_module)

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, *_: Any
    ) -> None:
        """Count a batch."""
        self._advance(batch)

    def on_test_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, *_: Any
    ) -> None:
        """Count a batch."""
        self._advance(batch)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Finish the support stage; what comes next is fitting."""
        self._end(trainer)
        fitted = [name for name in getattr(pl_module, "methods", ()) if not name.startswith("zero_shot")]
        if fitted:
            self._say(f"Fitting {', '.join(map(METHODS.title, fitted))}")

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Finish the query stage; what comes next is computing metrics."""
        self._end(trainer)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say what comes next."""
        if getattr(pl_module, "results", None):
            self._say("Writing the results")

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Restore the terminal."""
        if self._stage is not None:
            self._stage.progress.close()

    def _say(self, text: str) -> None:
        if self._enabled:
            say(text)

    def _begin(self, name: str, trainer: Trainer, module: LightningModule) -> None:
        data = getattr(trainer, "datamodule", None)
        banked = data.loaders[name].num_banked if data else 0
        questions = _questions(module, name)
        self._say(f"{name}: {len(questions):,} {unit(questions)}, {banked:,} cached")
        self._stage = _Stage(name, questions, banked, next(_STAGES), self._enabled)

    def _advance(self, batch: Batch) -> None:
        assert self._stage is not None
        self._stage.count(len(batch.index_N) + len(batch.failures), len(batch.failures))

    def _end(self, trainer: Trainer) -> None:
        if getattr(trainer, "world_size", 1) > 1:
            trainer.strategy.barrier("clips")  # else other ranks may not have counted their last batch yet
        if self._stage is not None:
            self._stage.count(0, 0)
            self._stage.progress.end(self._stage.asides())
            self._stage = None


class _Stage:
    """One stage: support or query.

    Args:
        name: name of the stage.
        questions: its questions.
        banked: number of questions whose vectors are in the bank.
        number: number of the stage in this process, from 1; the same on every rank.
        enabled: whether to show it.
    """

    def __init__(
        self, name: str, questions: Sequence[Query], banked: int, number: int, enabled: bool
    ) -> None:
        self.banked = banked
        self.done = SharedCount(f"{number}/done")
        self.failed = SharedCount(f"{number}/failed")
        self.progress = Progress(name, len(questions), unit(questions), enabled)

    def count(self, done: int, failed: int) -> None:
        """Add to the counts of all ranks, and show them."""
        total = self.done.add(done)
        self.failed.add(failed)
        self.progress.reach(total, self.asides())

    def asides(self) -> str:
        """Return the remarks after the count."""
        failed = self.failed.add()
        parts = [f"{self.banked:,} cached"] if self.banked else []
        parts += [f"{failed:,} failed"] if failed else []
        return ", ".join(parts)


def _questions(module: LightningModule, split: str) -> Sequence[Query]:
    """Return a split's questions; none for a foreign module."""
    found: Sequence[Query] = getattr(getattr(module, "task", None), split, ())
    return found


def from_record(record: JobRecord) -> ClipProgress:
    """Create the callback for a command-line job."""
    return ClipProgress()
