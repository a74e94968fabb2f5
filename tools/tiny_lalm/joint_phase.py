"""Phase 3: tower, projector and language model learn together on questions about clips."""

from __future__ import annotations

import lightning
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler

from tiny_lalm.batches import ClipBatch
from tiny_lalm.hearing import Hearing, flatten, mean_tokens
from tiny_lalm.optimisation import adamw
from tiny_lalm.tower_losses import TowerLosses


class JointPhase(lightning.LightningModule):
    """Answers are learned end to end; the tower keeps its own losses at a lower weight."""

    def __init__(
        self,
        hearing: Hearing,
        losses: TowerLosses,
        steps: int,
        tower_rate: float,
        language_rate: float,
        tower_weight: float = 0.3,
    ) -> None:
        super().__init__()
        self.hearing = hearing
        self.losses = losses
        self.steps = steps
        self.tower_rate = tower_rate
        self.language_rate = language_rate
        self.tower_weight = tower_weight

    def training_step(self, batches: list[ClipBatch], step: int) -> torch.Tensor:
        """Add answer losses and tower losses of a speech batch and a sound batch."""
        total = torch.zeros((), device=self.device)
        for name, batch in zip(("speech", "sound"), batches, strict=True):
            encoded = self.hearing.encode(batch.features)
            loss, _ = self.losses(self.hearing, batch, encoded)
            _, tokens, counts = encoded
            if batch.questions is None:
                raise ValueError("This phase needs a batch with questions")
            repeats = len(batch.questions.ids) // len(tokens)
            audio = flatten(tokens.repeat_interleave(repeats, dim=0), counts.repeat_interleave(repeats))
            frames = (batch.features.frames.to(tokens.device) - 1) // 2 + 1
            tower_mean = mean_tokens(encoded[0].float(), frames).repeat_interleave(repeats, dim=0)
            logits, answer_loss = self.hearing.decode(
                batch.questions, audio, telling=0.2, tower_mean=tower_mean, geometry=6.0
            )
            hit = (logits.argmax(-1) == batch.questions.answer).float().mean()
            self.log(f"{name}_answer_loss", answer_loss, prog_bar=True, batch_size=1)
            self.log(f"{name}_answer_hit", hit, prog_bar=True, batch_size=1)
            total = total + answer_loss + self.tower_weight * loss
        return total

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Train everything, the tower more gently."""
        model = self.hearing.model
        tower = [model.model.audio_tower, model.model.multi_modal_projector, self.losses]
        language = [model.model.language_model, model.lm_head, *self.hearing.guides()]
        return adamw([(tower, self.tower_rate), (language, self.language_rate)], self.steps)
