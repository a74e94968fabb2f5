"""Evidence of heads on clips (eq. 6), summed by class; any number of kinds in one pass over the scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from calm_pl.functional import (
    HeadScorer,
    clip_chunks,
    clip_reliability,
    leave_one_out_scores,
    posteriors,
    sum_by_class,
)
from calm_pl.voters.support import ReliabilitySums, Support


class EvidenceKind(NamedTuple):
    """A kind of evidence: how it is computed.

    Attributes:
        tau_p: τ_p of the posteriors (eq. 5).
        reliability: see `clip_reliability`; or that of `NEAREST`.
    """

    tau_p: float
    reliability: str


NEAREST = EvidenceKind(0.0, "nearest")
"""Whether the clip's own class has the nearest centroid, 0 or 1: its mean is the accuracy SAVs rank by."""


def left_out_scores(support: Support, s_NHC: Tensor, score: str, heads: slice = slice(None)) -> Tensor:
    """Score support clips in some heads, each against centroids without it; see `leave_one_out_scores`."""
    x_NHD, y_N = support.x_NHD[:, heads].to(s_NHC.device), support.y_N.to(s_NHC.device)
    return leave_one_out_scores(s_NHC, x_NHD, y_N, support.centroids_CHD[:, heads], support.counts_C, score)


def reliability_sums(
    support: Support,
    judged: Support | None,
    score: str,
    kinds: Sequence[EvidenceKind],
    left_out: bool = False,
) -> list[ReliabilitySums]:
    """Sum clip reliabilities by class, chunk by chunk, then over ranks (eqs. 6, 7, 11).

    Args:
        support: the clips that built the centroids.
        judged: the clips that judge the heads; the support clips if None.
        score: see `head_scores`; the scores are computed once for all kinds.
        kinds: the kinds of evidence to sum.
        left_out: judge each support clip against centroids without it; clips that are alone in their class
            are then not counted.

    Returns:
        The sums for each kind; those that the support already knows, if it knows them all.
    """
    if judged is None:
        known = [support.known.get((score, kind, left_out)) for kind in kinds]
        if all(one is not None for one in known):
            return [one for one in known if one is not None]
    judged = support if judged is None else judged
    num_classes, num_heads, dim = support.centroids_CHD.shape
    device = support.centroids_CHD.device
    sums_SCH = torch.zeros(len(kinds), num_classes, num_heads, dtype=torch.float64, device=device)
    counts_C = torch.zeros(num_classes, dtype=torch.float64, device=device)
    scorer = HeadScorer(support.centroids_CHD, score)
    for chunk in clip_chunks(len(judged.x_NHD), num_heads * max(num_classes, dim)):
        part = judged._replace(x_NHD=judged.x_NHD[chunk].to(device), y_N=judged.y_N[chunk].to(device))
        kept_N = support.counts_C[part.y_N] > 1 if left_out else torch.ones_like(part.y_N, dtype=torch.bool)
        y_N = part.y_N[kept_N]
        counts_C += torch.bincount(y_N, minlength=num_classes)
        for heads in scorer.blocks(len(part.y_N)):
            s_NHC = scorer(part.x_NHD, heads)
            if left_out:
                s_NHC = left_out_scores(part, s_NHC, score, heads)[kept_N]
            if NEAREST in kinds:
                m_NH = s_NHC.argmax(-1) == y_N[:, None]
                sums_SCH[kinds.index(NEAREST)][:, heads] += sum_by_class(m_NH, y_N, num_classes)
            for tau_p in dict.fromkeys(kind.tau_p for kind in kinds if kind != NEAREST):
                p_NHC = posteriors(s_NHC, tau_p)
                for place, kind in enumerate(kinds):
                    if kind.tau_p == tau_p:
                        m_NH = clip_reliability(p_NHC, y_N, kind.reliability)
                        sums_SCH[place][:, heads] += sum_by_class(m_NH, y_N, num_classes)
    totals = [support.all_reduce(sums_CH) for sums_CH in sums_SCH]
    counts_C = support.all_reduce(counts_C)
    return [ReliabilitySums(sums_CH, counts_C) for sums_CH in totals]
