"""Strict exact match: a clip counts only if all of its questions are predicted correctly."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric


class ExactMatch(NamedTuple):
    """Counts over all ranks.

    Attributes:
        share: exact / clips, float64.
        exact: clips with every question predicted correctly.
        clips: clips with at least one question.
    """

    share: Tensor
    exact: Tensor
    clips: Tensor


class ClipExactMatch(Metric):
    """Share of clips with every question predicted correctly.

    The questions about a clip may be in different batches and on different ranks: the states count each
    clip's questions and correct predictions, (N,), and add up.

    Args:
        num_clips: N clips in the data set.
    """

    full_state_update = False
    asked_N: Tensor
    right_N: Tensor

    def __init__(self, num_clips: int) -> None:
        super().__init__()
        self.add_state("asked_N", torch.zeros(num_clips, dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("right_N", torch.zeros(num_clips, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, right_Q: Tensor, clip_Q: Tensor) -> None:
        """Count questions.

        Args:
            right_Q: whether each question was predicted correctly, bool.
            clip_Q: the clip that each question is about, in [0, N).
        """
        self.asked_N.index_add_(0, clip_Q, torch.ones_like(clip_Q))
        self.right_N.index_add_(0, clip_Q, right_Q.to(torch.int64))

    def compute(self) -> ExactMatch:
        """Return the share of clips with every question predicted correctly, and its counts."""
        asked_N = self.asked_N > 0
        exact = ((self.right_N == self.asked_N) & asked_N).sum()
        clips = asked_N.sum()
        return ExactMatch(exact.to(torch.float64) / clips.clamp(min=1), exact, clips)
