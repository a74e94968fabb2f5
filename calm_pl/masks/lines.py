"""Progress of a mask's training, as lines on standard error."""

from __future__ import annotations

import sys
import time
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from calm_pl.masks.module import MaskModule

_SECONDS_BETWEEN_LINES = 10.0


class MaskLines(Callback):
    """Callback that prints a line every ten seconds and after every validation, on rank 0."""

    def __init__(self) -> None:
        self._began = self._last = time.monotonic()
        self._told = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the step from which training resumes."""
        self._began = self._last = time.monotonic()
        assert isinstance(pl_module, MaskModule)
        if pl_module.first:
            self._print(trainer, f"resuming after step {pl_module.first:,}")

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Print progress, if ten seconds have passed."""
        assert isinstance(pl_module, MaskModule)
        now, done, steps = time.monotonic(), pl_module.step, pl_module.recipe.steps
        if now - self._last < _SECONDS_BETWEEN_LINES and done < steps:
            return
        self._last = now
        rate = (done - pl_module.first) / max(now - self._began, 1e-9)
        found = trainer.callback_metrics
        self._print(
            trainer,
            f"step {done:,} of {steps:,}, loss {float(found['train/loss']):.3f},"
            f" {float(found['mask/share_on']):.0%} of the heads on, {rate:.1f} steps/s,"
            f" {(steps - done) / rate:.0f} s left",
        )

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the results of a validation."""
        assert isinstance(pl_module, MaskModule)
        if len(pl_module.validations) > self._told:
            self._told = len(pl_module.validations)
            last = pl_module.validations[-1]
            self._print(
                trainer,
                f"validation after step {last.step:,}: cross-entropy {last.loss:.3f} per token,"
                f" {last.exact:.1%} of {last.num_clips:,} answers exactly right",
            )

    @staticmethod
    def _print(trainer: Trainer, line: str) -> None:
        if trainer.is_global_zero:
            print(line, file=sys.stderr, flush=True)
