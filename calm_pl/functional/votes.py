"""Two ways to combine heads: majority vote (SAVs, eq. 4) and weighted posteriors (eqs. 9, 13)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from calm_pl.functional.scores import HeadScorer, candidate_scores, posteriors

_WIDE = 2**13
"""Posteriors of one head from which on adding heads one by one takes less time than summing them first."""


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
    p_NHC, weights = p_NHC.to(torch.float64), weights.to(torch.float64)
    if len(weights) == 1:  # a sum is seven times as fast as the products of matrices that einsum makes of it
        weights_1HC = weights.mT if weights.dim() == 3 else weights[..., None]
        return (p_NHC * weights_1HC).sum(1, keepdim=True)
    return torch.einsum("nhc,sh->nsc" if weights.dim() == 2 else "nhc,sch->nsc", p_NHC, weights)


def posterior_votes(
    x_NHD: Tensor,
    scorer: HeadScorer,
    settings: Sequence[tuple[float, Tensor]],
    candidates_NC: Tensor | None = None,
) -> list[Tensor]:
    """Compute the `weighted_votes` of head vectors, some heads at a time, so that they stay in the cache.

    Args:
        x_NHD: head vectors.
        scorer: against the centroids.
        settings: τ_p of the posteriors, and weights of S settings, (S, H) or (S, C, H).
        candidates_NC: bool, the classes allowed for each clip; all if None. The others have the posterior 0.

    Returns:
        for each of `settings`, (N, S, C) float64.
    """
    votes = [
        torch.zeros(len(x_NHD), len(weights), scorer.num_classes).to(x_NHD.device, torch.float64)
        for _, weights in settings
    ]
    temperatures = dict.fromkeys(tau_p for tau_p, _ in settings)
    # The sums of many settings are read and written for each block of heads, which must be worth it.
    for heads, s_NHC in scorer.blocks(x_NHD, max(len(weights) for _, weights in settings)):
        s_NHC = candidate_scores(s_NHC, candidates_NC)
        p_NHC = {tau_p: posteriors(s_NHC, tau_p).to(torch.float64) for tau_p in temperatures}
        for votes_NSC, (tau_p, weights) in zip(votes, settings, strict=True):
            _add_votes(votes_NSC, p_NHC[tau_p], weights[..., heads].to(torch.float64))
    return votes


def _add_votes(votes_NSC: Tensor, p_NHC: Tensor, weights: Tensor) -> None:
    """Add the `weighted_votes` of some heads, all in float64."""
    clips, heads, classes = p_NHC.shape
    if len(weights) > 1 or clips * classes < _WIDE:
        votes_NSC += weighted_votes(p_NHC, weights)
        return
    for head in range(heads):
        votes_NSC[:, 0].addcmul_(p_NHC[:, head], weights[0, ..., head])
