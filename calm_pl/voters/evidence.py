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
    is_highest,
    leave_one_out_scores,
    posteriors,
    sum_by_class,
)
from calm_pl.voters.support import ReliabilitySums, Support

_BLOCK = 2**21
"""Values of centroids that are scaled at once, 16 MiB: all clips are scored in these heads before the next.
With 309 classes these are 52 heads, whose vectors are 26 KB in one piece of a clip on disk."""


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
    y_N = judged.y_N.to(device)
    kept_N = support.counts_C[y_N] > 1 if left_out else torch.ones_like(y_N, dtype=torch.bool)
    counts_C = torch.bincount(y_N[kept_N], minlength=num_classes).to(torch.float64)
    sums_SCH = torch.zeros(len(kinds), num_classes, num_heads, dtype=torch.float64, device=device)
    for some in clip_chunks(num_heads, num_classes * dim, _BLOCK):
        centroids_CHD = support.centroids_CHD[:, some]
        scorer = HeadScorer(centroids_CHD, score)
        for chunk in scorer.chunks(len(y_N)):
            x_NHD = judged.vectors(chunk, some)
            part = judged._replace(x_NHD=x_NHD, y_N=y_N[chunk], centroids_CHD=centroids_CHD)
            m_SNH = _judge(part, kept_N[chunk], scorer, score, kinds, left_out)
            for sums_CH, m_NH in zip(sums_SCH[:, :, some], m_SNH, strict=True):
                sums_CH += sum_by_class(m_NH, part.y_N[kept_N[chunk]], num_classes)
    totals = [support.all_reduce(sums_CH) for sums_CH in sums_SCH]
    counts_C = support.all_reduce(counts_C)
    return [ReliabilitySums(sums_CH, counts_C) for sums_CH in totals]


def _judge(
    judged: Support,
    kept_N: Tensor,
    scorer: HeadScorer,
    score: str,
    kinds: Sequence[EvidenceKind],
    left_out: bool,
) -> Tensor:
    """Return each kind of evidence on the clips that are kept, (S, n, H) float32; see `reliability_sums`."""
    y_N = judged.y_N[kept_N]
    m_SNH = torch.empty(len(kinds), len(y_N), scorer.num_heads, device=y_N.device)
    for heads, s_NHC in scorer.blocks(judged.x_NHD):
        if left_out:
            s_NHC = left_out_scores(judged, s_NHC, score, heads)[kept_N]
        if NEAREST in kinds:
            m_SNH[kinds.index(NEAREST), :, heads] = is_highest(s_NHC, y_N)
        for tau_p in dict.fromkeys(kind.tau_p for kind in kinds if kind != NEAREST):
            p_NHC = posteriors(s_NHC, tau_p)
            for place, kind in enumerate(kinds):
                if kind.tau_p == tau_p:
                    m_SNH[place, :, heads] = clip_reliability(p_NHC, y_N, kind.reliability)
    return m_SNH
