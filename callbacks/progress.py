"""Progress bar that counts clips, or questions where these are more; plain lines if there is no terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from tqdm import tqdm

from calm_pl.data.loading.batches import Batch
from calm_pl.data.questions.clips import Query
from calm_pl.data.questions.counting import unit
from calm_pl.distributed import SharedCount
from calm_pl.jobs.record import JobRecord

_SECONDS_BETWEEN_LINES = 10.0


class ClipProgress(ProgressBar):
    """One progress bar per job: clips of all ranks, rate, time left, cached and failed clips."""

    def __init__(self) -> None:
        super().__init__()
        self._enabled = True
        self._bar: tqdm[Any] | None = None
        self._stage = _Stage("", (), 0, 0)
        self._stages = 0

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

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Finish the support stage."""
        self._end()

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Finish the query stage."""
        self._end()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Restore the terminal."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _begin(self, name: str, trainer: Trainer, module: LightningModule) -> None:
        self._stages += 1
        data = getattr(trainer, "datamodule", None)
        banked = data.loaders[name].num_banked if data else 0
        self._stage = _Stage(name, _questions(module, name), banked, self._stages)
        if self._enabled and sys.stderr.isatty():
            self._bar = tqdm(
                total=self._stage.total, desc=f"{name:>7}", unit=f" {self._stage.unit}", dynamic_ncols=True
            )

    def _advance(self, batch: Batch) -> None:
        stage = self._stage
        done = stage.done.add(len(batch.index_N) + len(batch.failures))
        failed = stage.failed.add(len(batch.failures))
        if not self._enabled:
            return
        if self._bar is not None:
            self._bar.set_postfix_str(stage.asides(failed), refresh=False)
            self._bar.update(done - self._bar.n)
        elif time.monotonic() - stage.last_line >= _SECONDS_BETWEEN_LINES:
            stage.print_line(done, failed)

    def _end(self) -> None:
        if not self._enabled:
            return
        # Other ranks may not have counted their last batch, but all have processed it.
        done, failed = self._stage.done.add(), self._stage.failed.add()
        if self._bar is not None:
            self._bar.update(done - self._bar.n)
            self._bar.close()
            self._bar = None
        else:
            self._stage.print_line(done, failed)


class _Stage:
    """One stage: support or query.

    Args:
        name: name of the stage.
        questions: its questions.
        banked: number of questions whose vectors are in the bank.
        number: number of the stage in this job, from 1.
    """

    def __init__(self, name: str, questions: Sequence[Query], banked: int, number: int) -> None:
        self.name = name
        self.total = len(questions)
        self.unit = unit(questions)
        self.banked = banked
        self.done = SharedCount(f"{number}/done")
        self.failed = SharedCount(f"{number}/failed")
        self.started = self.last_line = time.monotonic()

    def asides(self, failed: int) -> str:
        """Return the remarks after the count."""
        parts = [f"{self.banked:,} cached"] if self.banked else []
        parts += [f"{failed:,} failed"] if failed else []
        return ", ".join(parts)

    def print_line(self, done: int, failed: int) -> None:
        """Print a line, for outputs that are not a terminal."""
        self.last_line = time.monotonic()
        elapsed = max(self.last_line - self.started, 1e-9)
        rate = done / elapsed
        left = (self.total - done) / rate if rate else float("inf")
        asides = self.asides(failed)
        print(
            f"{self.name}: {done:,} of {self.total:,} {self.unit}, {rate:.1f} {self.unit}/s,"
            f" {elapsed:.0f} s elapsed, {left:.0f} s left{', ' if asides else ''}{asides}",
            file=sys.stderr,
            flush=True,
        )


def _questions(module: LightningModule, split: str) -> Sequence[Query]:
    """Return a split's questions; none for a foreign module."""
    found: Sequence[Query] = getattr(getattr(module, "task", None), split, ())
    return found


def from_record(record: JobRecord) -> ClipProgress:
    """Create the callback for a command-line job."""
    return ClipProgress()
