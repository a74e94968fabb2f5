"""A progress bar that counts clips: rate, time left; plain lines where the output is no terminal."""

from __future__ import annotations

import sys
import time
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from tqdm import tqdm

from calm_pl.commands.job import JobRecord
from calm_pl.data.batches import Batch

_SECONDS_BETWEEN_LINES = 10.0


class ClipProgress(ProgressBar):
    """Clips of rank 0 times the number of ranks, so the total is reached at the end of the split."""

    def __init__(self) -> None:
        super().__init__()
        self._enabled = True
        self._bar: tqdm[Any] | None = None
        self._total = self._done = 0
        self._started = self._last_line = 0.0
        self._stage = ""

    def disable(self) -> None:
        """Lightning's switch on ranks other than 0."""
        self._enabled = False

    def enable(self) -> None:
        """The reverse of `disable`."""
        self._enabled = True

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin the support."""
        self._begin("support", _questions(pl_module, "support"))

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin the query."""
        self._begin("query", _questions(pl_module, "query"))

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, *_: Any
    ) -> None:
        """Count a batch."""
        self._advance(batch, trainer.world_size)

    def on_test_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, *_: Any
    ) -> None:
        """Count a batch."""
        self._advance(batch, trainer.world_size)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End the support."""
        self._end()

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End the query."""
        self._end()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Leave the terminal as it was."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _begin(self, stage: str, total: int) -> None:
        if not self._enabled:
            return
        self._stage, self._total, self._done = stage, total, 0
        self._started = self._last_line = time.monotonic()
        if sys.stderr.isatty():
            self._bar = tqdm(total=total, desc=f"{stage:>7}", unit=" clips", dynamic_ncols=True)

    def _advance(self, batch: Batch, world_size: int) -> None:
        if not self._enabled:
            return
        clips = (len(batch.index_N) + len(batch.failures)) * world_size
        clips = min(clips, self._total - self._done)
        self._done += clips
        if self._bar is not None:
            self._bar.update(clips)
        elif time.monotonic() - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._print_line()

    def _end(self) -> None:
        if not self._enabled:
            return
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        else:
            self._print_line()

    def _print_line(self) -> None:
        self._last_line = time.monotonic()
        elapsed = max(self._last_line - self._started, 1e-9)
        rate = self._done / elapsed
        left = (self._total - self._done) / rate if rate else float("inf")
        print(
            f"{self._stage}: {self._done:,} of {self._total:,} clips, {rate:.1f} clips/s,"
            f" {elapsed:.0f} s gone, {left:.0f} s left",
            file=sys.stderr,
            flush=True,
        )


def _questions(module: LightningModule, split: str) -> int:
    """How many there are; 0 for a module that is not ours."""
    return len(getattr(getattr(module, "task", None), split, ()))


def from_record(record: JobRecord) -> ClipProgress:
    """For a job of the command line."""
    return ClipProgress()
