"""Majority vote over several answers to one question (CALM, section 3.3)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

NO_ANSWER = -1
NO_ROLLOUT = -2


class Consensus(NamedTuple):
    """Majority votes over rollouts.

    Attributes:
        winner_N: class with the most votes, int64; -1 if no rollout named a class, or in a tie.
        votes_N: how many rollouts named a winner, int64; in a tie, the votes of each tied class.
        agreement_N: votes divided by all rollouts, including those that named no class, float64.
    """

    winner_N: Tensor
    votes_N: Tensor
    agreement_N: Tensor


def consensus(ballots_NM: Tensor, num_classes: int) -> Consensus:
    """Count the rollouts of each clip.

    Args:
        ballots_NM: int64 class indices; -1 for a rollout that named no class, -2 for a missing rollout.
        num_classes: C.
    """
    shown_NM = ballots_NM >= 0
    counts_NC = torch.zeros(len(ballots_NM), num_classes, dtype=torch.int64, device=ballots_NM.device)
    counts_NC.scatter_add_(1, ballots_NM.clamp(min=0), shown_NM.to(torch.int64))
    votes_N, winner_N = counts_NC.max(-1)
    alone_N = (counts_NC == votes_N[:, None]).sum(-1) == 1
    winner_N = torch.where(alone_N & (votes_N > 0), winner_N, NO_ANSWER)
    rollouts_N = (ballots_NM != NO_ROLLOUT).sum(-1)
    return Consensus(winner_N, votes_N, votes_N / rollouts_N.clamp(min=1).to(torch.float64))
