"""Two ways to combine heads: majority vote (SAVs, eq. 4) and weighted posteriors (eqs. 9, 13)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class MajorityVote(NamedTuple):
    """Result of a majority vote.

    Attributes:
        counts_NC: votes per class, float32.
        winner_N: index of the winning class, ties resolved.
    """

    counts_NC: Tensor
    winner_N: Tensor


def majority_vote(s_NKC: Tensor) -> MajorityVote:
    """Let each head vote for its best class; the class with most votes wins (eqs. 3, 4).

    Ties: equal scores go to the lower class index; equal counts go to the class that the best-ranked of the
    heads concerned voted for.

    Args:
        s_NKC: scores of the kept heads, ordered from the best-ranked head to the last.
    """
    votes_NK = s_NKC.argmax(-1)
    counts_NC = torch.zeros(
        s_NKC.shape[0], s_NKC.shape[2], dtype=torch.float32, device=s_NKC.device
    ).scatter_add(1, votes_NK, torch.ones_like(votes_NK, dtype=torch.float32))
    leads_NC = counts_NC == counts_NC.amax(-1, keepdim=True)
    first_leading_N1 = leads_NC.gather(1, votes_NK).to(torch.uint8).argmax(-1, keepdim=True)
    return MajorityVote(counts_NC, votes_NK.gather(1, first_leading_N1).squeeze(1))


def weighted_vote(p_NHC: Tensor, weights: Tensor) -> Tensor:
    """Return scores Σ_h w·p (eq. 9 with weights (H,), eq. 13 with weights (C, H)), (N, C) float32.

    Summed in float64, so that the float32 result depends neither on the batch nor on the order of heads, and
    equal classes have equal scores.
    """
    return weighted_votes(p_NHC, weights[None])[:, 0].to(torch.float32)


def weighted_votes(p_NHC: Tensor, weights: Tensor) -> Tensor:
    """Compute `weighted_vote` of S settings at once, (N, S, C) float64, reading the posteriors once.

    Args:
        p_NHC: posteriors (eq. 5).
        weights: (S, H), or (S, C, H).
    """
    subscripts = "nhc,sh->nsc" if weights.dim() == 2 else "nhc,sch->nsc"
    return torch.einsum(subscripts, p_NHC.to(torch.float64), weights.to(torch.float64))
