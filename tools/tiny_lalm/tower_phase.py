"""Phase 1: tower and projector learn to hear, without the language model."""

from __future__ import annotations

import lightning
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler

from tiny_lalm.batches import ClipBatch
from tiny_lalm.hearing import Hearing
from tiny_lalm.optimisation import adamw
from tiny_lalm.tower_losses import TowerLosses


class TowerPhase(lightning.LightningModule):
    """Mean audio tokens are drawn to the class vectors that the language model reads."""

    def __init__(self, hearing: Hearing, losses: TowerLosses, steps: int, rate: float) -> None:
        super().__init__()
        self.hearing = hearing
        self.losses = losses
        self.steps = steps
        self.rate = rate

    def training_step(self, batches: list[ClipBatch], step: int) -> torch.Tensor:
        """Add the losses of a speech batch and a sound batch."""
        total = torch.zeros((), device=self.device)
        for name, batch in zip(("speech", "sound"), batches, strict=True):
            loss, hit = self.losses(self.hearing, batch, self.hearing.encode(batch.features))
            self.log(f"{name}_loss", loss, prog_bar=True, batch_size=1)
            self.log(f"{name}_hit", hit, prog_bar=True, batch_size=1)
            total = total + loss
        return total

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Train tower, projector and the losses' own layers."""
        inner = self.hearing.model.model
        modules = [inner.audio_tower, inner.multi_modal_projector, self.losses]
        return adamw([(modules, self.rate)], self.steps)
