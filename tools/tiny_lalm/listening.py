"""What the trained tower makes of training clips, kept so that the decoder can learn from it alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from tiny_lalm.batches import Batcher
from tiny_lalm.hearing import Hearing
from tiny_lalm.questions import QuestionBatch, Questioner
from tiny_lalm.tower_pass import flatten


class Bank(NamedTuple):
    """Audio tokens of clips of one kind."""

    tokens: torch.Tensor
    """`(total, width)`: all clips in a row."""
    starts: torch.Tensor
    """`(clips,)`: each clip's first token."""
    counts: torch.Tensor
    classes: torch.Tensor
    """`(clips,)`: row of the class table."""

    def means(self) -> torch.Tensor:
        """Return each clip's mean token `(clips, width)`."""
        owner = torch.arange(len(self.counts)).repeat_interleave(self.counts)
        sums = torch.zeros(len(self.counts), self.tokens.shape[1])
        return sums.index_add(0, owner, self.tokens) / self.counts[:, None]


@torch.no_grad()
def listen(hearing: Hearing, batcher: Batcher, speech: bool, batches: int, count: int, seed: int) -> Bank:
    """Encode augmented training clips.

    Args:
        hearing: The model, its tower trained.
        batcher: Draws the clips.
        speech: Words where true, else sounds.
        batches: How many batches.
        count: Clips of a batch.
        seed: Of the draw.
    """
    tokens, counts, classes = [], [], []
    for number in range(batches):
        torch.manual_seed(seed * 1_000_003 + number)
        batch = batcher.clips(np.random.default_rng([seed, number]), speech, count)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            _, heard, lengths = hearing.encode(batch.features)
        tokens.append(flatten(heard.float(), lengths))
        counts.append(lengths)
        classes.append(batch.targets)
    lengths = torch.cat(counts)
    return Bank(torch.cat(tokens), lengths.cumsum(0) - lengths, lengths, torch.cat(classes))


def draw_heard(
    questioner: Questioner, banks: list[Bank], shares: list[float], rng: np.random.Generator, count: int
) -> tuple[QuestionBatch, torch.Tensor]:
    """Draw questions about clips of one bank; return them and their audio tokens `(total, width)`.

    Args:
        questioner: Writes the questions.
        banks: One for each kind of clip.
        shares: How often each kind is asked about.
        rng: Draws everything.
        count: Questions.
    """
    bank = banks[int(rng.choice(len(banks), p=shares))]
    rows = torch.from_numpy(rng.integers(len(bank.counts), size=count))
    counts = bank.counts[rows]
    questions = questioner.batch(rng, bank.classes[rows].numpy(), counts.numpy(), open_share=0.25)
    inside = torch.arange(int(counts.sum())) - (counts.cumsum(0) - counts).repeat_interleave(counts)
    return questions, bank.tokens[bank.starts[rows].repeat_interleave(counts) + inside]
