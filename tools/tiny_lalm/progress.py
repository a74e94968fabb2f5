"""A line of running means every so many steps, for logs that are files."""

from __future__ import annotations

import time
from collections import defaultdict

import lightning
from lightning.pytorch.callbacks import Callback


class Progress(Callback):
    """Prints the mean of every logged value since the last line."""

    def __init__(self, name: str, every: int) -> None:
        self.name = name
        self.every = every
        self.started = time.monotonic()
        self.sums: dict[str, float] = defaultdict(float)

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        module: lightning.LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Count one step."""
        for key, value in trainer.callback_metrics.items():
            self.sums[key] += float(value)
        if trainer.global_step % self.every == 0:
            means = " ".join(f"{key} {total / self.every:.3f}" for key, total in self.sums.items())
            seconds = time.monotonic() - self.started
            print(f"{self.name} {trainer.global_step} ({seconds:.0f} s) {means}", flush=True)
            self.sums.clear()
