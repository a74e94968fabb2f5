"""Phases 2 to 4: the language model learns to compare, to show and to answer; the tower rests."""

from __future__ import annotations

import lightning
import numpy as np
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import nn

from tiny_lalm.classes import ClassTable
from tiny_lalm.hearing import Hearing
from tiny_lalm.optimisation import adamw
from tiny_lalm.questions import QuestionBatch, Questioner


def draw_text(
    questioner: Questioner, table: ClassTable, rng: np.random.Generator, count: int
) -> tuple[QuestionBatch, torch.Tensor]:
    """Draw questions whose audio tokens are noise around the class vector of the answer."""
    kinds = rng.random(count)
    sounds = rng.integers(table.sounds.start, table.sounds.stop, count)
    words = rng.integers(table.words.start, table.words.stop, count)
    made_up = rng.integers(table.digits.stop, len(table.vectors), count)
    targets = np.where(kinds < 0.2, sounds, np.where(kinds < 0.6, words, made_up))
    counts = rng.integers(3, 9, count)
    most = int(rng.choice([3, 5, 10]))
    questions = questioner.batch(rng, targets, counts, open_share=0.15, options=(2, most))
    width = table.vectors.shape[1]
    shared = torch.as_tensor(rng.uniform(0, 0.6, (count, 1)), dtype=torch.float32)
    centre = table.vectors[targets] + shared * torch.randn(count, width) / width**0.5
    centre = nn.functional.normalize(centre, dim=1)
    audio = centre.repeat_interleave(torch.from_numpy(counts), dim=0)
    spread = float(rng.uniform(0.2, 1.2))
    audio = audio + table.mark
    return questions, audio + spread * torch.randn(audio.shape) / width**0.5


class LanguagePhase(lightning.LightningModule):
    """Next-token cross-entropy on the answer alone, and single heads drawn to their views."""

    def __init__(self, hearing: Hearing, steps: int, rate: float, viewing: float) -> None:
        super().__init__()
        self.hearing = hearing
        self.steps = steps
        self.rate = rate
        self.viewing = viewing

    def training_step(self, batch: tuple[QuestionBatch, torch.Tensor], step: int) -> torch.Tensor:
        """Answer one batch of questions."""
        questions, audio = batch
        logits, loss, apart = self.hearing.decode(questions, audio, self.viewing)
        self.log("text_loss", loss, prog_bar=True, batch_size=1)
        hit = (logits.argmax(-1) == questions.answer).float().mean()
        self.log("text_hit", hit, prog_bar=True, batch_size=1)
        self.log("text_apart", apart, prog_bar=True, batch_size=1)
        return loss

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Train the decoder and the output head; class rows stay as they are."""
        model = self.hearing.model
        modules = [model.model.language_model, model.lm_head, *self.hearing.guides()]
        return adamw([(modules, self.rate)], self.steps, warmup=50)
