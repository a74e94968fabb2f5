"""The one phase of training: projector and decoder learn from the answers alone; the tower rests."""

from __future__ import annotations

from typing import NamedTuple

import lightning
import numpy as np
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import nn
from transformers import Qwen2AudioForConditionalGeneration

from plain_lalm.dialogues import IGNORED, Dialogues, Interviewer, Turn
from plain_lalm.listening import Heard
from tiny_lalm.optimisation import adamw

TURNS = 4
NAMING = 0.6
"""How often a dialogue asks what the clip is."""
TEXT_TOKENS = 75
"""About how many tokens a dialogue has besides the clip's."""
ATTENTION = 16 * 110**2
"""Most attention weights of a head in a batch: what training keeps in memory is a multiple of it."""


class Batch(NamedTuple):
    """Dialogues and the tower's states of their clips in a row `(total, tower width)`."""

    dialogues: Dialogues
    states: torch.Tensor


def states_of(heard: Heard, rows: torch.Tensor) -> torch.Tensor:
    """Return the states of some clips in a row."""
    counts = heard.counts[rows]
    inside = torch.arange(int(counts.sum())) - (counts.cumsum(0) - counts).repeat_interleave(counts)
    return heard.states[heard.starts[rows].repeat_interleave(counts) + inside].float()


def draw_batch(heard: Heard, interviewer: Interviewer, rng: np.random.Generator, count: int) -> Batch:
    """Draw dialogues of ``TURNS`` different questions, in any order, about clips of like length.

    There are ``count`` of them, or fewer if they are long.
    """
    drawn = rng.choice(len(heard.clips), 4 * count, replace=False)
    drawn = drawn[np.argsort(heard.counts[drawn].numpy(), kind="stable")]
    rows = drawn[count * int(rng.integers(4)) :][:count]
    longest = TEXT_TOKENS + int(heard.counts[rows].max())
    rows = rows[rng.permutation(count)[: ATTENTION // longest**2]]
    dialogues: list[list[Turn]] = []
    for row in rows:
        possible = heard.turns[row]
        chosen = rng.choice(list(possible), TURNS, replace=False)
        turns = [possible[str(name)] for name in chosen]
        if rng.random() < NAMING:
            turns[int(rng.integers(TURNS))] = interviewer.named(heard.clips[row], rng)
        dialogues.append(turns)
    index = torch.from_numpy(rows)
    written = interviewer.write(dialogues, heard.counts[index].tolist())
    return Batch(written, states_of(heard, index))


def answer_logits(
    model: Qwen2AudioForConditionalGeneration, batch: Batch
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits `(answers, vocabulary)` wherever something is to be predicted, and what it is."""
    dialogues = batch.dialogues
    embeds = model.get_input_embeddings()(dialogues.ids)
    audio = model.model.multi_modal_projector(batch.states)
    embeds = embeds.masked_scatter(dialogues.audio_at[..., None], audio.to(embeds))
    hidden = model.model.language_model(inputs_embeds=embeds, use_cache=False).last_hidden_state
    asked = dialogues.next_ids != IGNORED
    return model.lm_head(hidden[asked]).float(), dialogues.next_ids[asked]


class DialoguePhase(lightning.LightningModule):
    """Next-token cross-entropy on every answer of a dialogue, and nothing else."""

    def __init__(self, model: Qwen2AudioForConditionalGeneration, steps: int, rate: float) -> None:
        super().__init__()
        self.model = model
        self.end = int(model.generation_config.eos_token_id)
        self.steps = steps
        self.rate = rate

    def training_step(self, batches: list[Batch], step: int) -> torch.Tensor:
        """Add the losses of a speech batch and a sound batch."""
        total = torch.zeros((), device=self.device)
        for name, batch in zip(("speech", "sound"), batches, strict=True):
            logits, targets = answer_logits(self.model, batch)
            loss = nn.functional.cross_entropy(logits, targets)
            answers = targets != self.end
            hit = (logits.argmax(1) == targets)[answers].float().mean()
            self.log(f"{name}_loss", loss, batch_size=1)
            self.log(f"{name}_hit", hit, batch_size=1)
            total = total + loss
        return total

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Train all but the tower."""
        inner = self.model.model
        modules = [inner.multi_modal_projector, inner.language_model, self.model.lm_head]
        return adamw([(modules, self.rate)], self.steps)
