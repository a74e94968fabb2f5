"""CALM (arXiv 2602.07077): heads vote with posteriors, weighted by their reliability."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from calm_pl.functional import (
    RELIABILITIES,
    SCORES,
    WEIGHT_MAPS,
    clip_reliability,
    head_weights,
    leave_one_out_scores,
    posteriors,
    shrink,
    sum_by_class,
    weighted_vote,
)
from calm_pl.voters.base import Decision, HeadVoter
from calm_pl.voters.checks import check_choice, check_positive, check_top_k
from calm_pl.voters.support import Support

RELIABILITY_SPLITS = ("support", "heldout", "loo")


@dataclass(frozen=True)
class CalmParams:
    """Hyper-parameters of `Calm` and `CalmGlobal`; see there."""

    tau_p: float = 0.03
    tau_w: float = 0.5
    top_k: int | None = None
    score: str = "cosine"
    reliability: str = "margin_clamped"
    weight_map: str = "softmax"
    shrinkage: float = 0.0
    reliability_split: str = "support"

    def __post_init__(self) -> None:
        check_positive("tau_p", self.tau_p)
        check_positive("tau_w", self.tau_w)
        check_top_k(self.top_k)
        check_choice("score", self.score, SCORES)
        check_choice("reliability", self.reliability, RELIABILITIES)
        check_choice("weight_map", self.weight_map, WEIGHT_MAPS)
        check_choice("reliability_split", self.reliability_split, RELIABILITY_SPLITS)
        check_positive("shrinkage", self.shrinkage, or_zero=True)


class ReliabilitySums(NamedTuple):
    """Per-class sums of clip reliabilities over all ranks.

    Attributes:
        sums_CH: (C, H) float64.
        counts_C: clips that count, (C,) float64.
    """

    sums_CH: Tensor
    counts_C: Tensor


class CalmBase(HeadVoter):
    """What CALM and CALM-Global share: everything but the pooling of reliabilities.

    Args:
        tau_p: τ_p of the posteriors (eq. 5).
        tau_w: τ_w of the weights (eqs. 8, 12).
        top_k: heads that keep a weight; all where None.
        score: `cosine`, or `dot` (table 3, "- L2 norm").
        reliability: `margin_clamped` (eq. 6), `margin`, `prob` (table 3, "- margin") or `brier`.
        weight_map: `softmax` (paper) or `power` (released code: w ∝ r^(1/τ_w)).
        shrinkage: α >= 0 in clips, towards the mean reliability; 0 is off.
        reliability_split: `support` (paper: the clips that built the centroids), `heldout` (those given to
            `fit`) or `loo` (each support clip against centroids without it).
    """

    params: CalmParams

    def __init__(
        self,
        tau_p: float = 0.03,
        tau_w: float = 0.5,
        top_k: int | None = None,
        score: str = "cosine",
        reliability: str = "margin_clamped",
        weight_map: str = "softmax",
        shrinkage: float = 0.0,
        reliability_split: str = "support",
    ) -> None:
        self.params = CalmParams(
            tau_p, tau_w, top_k, score, reliability, weight_map, shrinkage, reliability_split
        )

    def _fit_heads(self, support: Support, heldout: Support | None) -> None:
        p = self.params
        if (p.reliability_split == "heldout") != (heldout is not None):
            given = "got some" if heldout is not None else "got none"
            raise ValueError(
                "Expected held-out clips exactly when `reliability_split` is 'heldout', but it is"
                f" {p.reliability_split!r} and `fit` {given}."
            )
        sums = self._reliability_sums(support, support if heldout is None else heldout)
        self.reliability_ = self._pool(sums)
        rows = torch.atleast_2d(self.reliability_)
        self.weights_ = head_weights(rows, p.top_k, p.tau_w, p.weight_map).view_as(self.reliability_)

    def _reliability_sums(self, support: Support, judged: Support) -> ReliabilitySums:
        """Sum clip reliabilities by class, chunk by chunk, then over ranks (eqs. 6, 7, 11)."""
        p = self.params
        leave_out = p.reliability_split == "loo"
        num_classes, num_heads, _ = support.centroids_CHD.shape
        device = support.centroids_CHD.device
        sums_CH = torch.zeros(num_classes, num_heads, dtype=torch.float64, device=device)
        counts_C = torch.zeros(num_classes, dtype=torch.float64, device=device)
        for chunk, s_NHC in self._scores(judged.x_NHD):
            x_NHD, y_N = judged.x_NHD[chunk].to(device), judged.y_N[chunk].to(device)
            if leave_out:
                s_NHC = leave_one_out_scores(
                    s_NHC, x_NHD, y_N, support.centroids_CHD, support.counts_C, p.score
                )
                # A clip alone in its class cannot be judged without itself.
                judgeable_N = support.counts_C[y_N] > 1
                s_NHC, y_N = s_NHC[judgeable_N], y_N[judgeable_N]
            m_NH = clip_reliability(posteriors(s_NHC, p.tau_p), y_N, p.reliability)
            sums_CH += sum_by_class(m_NH, y_N, num_classes)
            counts_C += torch.bincount(y_N, minlength=num_classes)
        return ReliabilitySums(support.all_reduce(sums_CH), support.all_reduce(counts_C))

    @abstractmethod
    def _pool(self, sums: ReliabilitySums) -> Tensor:
        """Reliabilities (H,) or (C, H) float32, shrunk."""

    def decide(self, s_NHC: Tensor) -> Decision:
        """Weighted posteriors (eqs. 9, 13); equal scores go to the lower class index (eq. 10)."""
        scores_NC = weighted_vote(posteriors(s_NHC, self.fitted_params_.tau_p), self.weights_)
        return Decision(scores_NC, scores_NC.argmax(-1))

    def probabilities(self, scores_NC: Tensor) -> Tensor:
        """Scores divided by their sum: a convex mix of posteriors for CALM-Global, normalised for CALM."""
        # In float64: a handful of heads that contradict each other leave scores that float32 cannot divide.
        scores_NC = scores_NC.to(torch.float64)
        total_N1 = scores_NC.sum(-1, keepdim=True)
        uniform_NC = torch.full_like(scores_NC, 1 / scores_NC.shape[-1])
        return torch.where(total_N1 > 0, scores_NC / total_N1, uniform_NC).to(torch.float32)


def overall_mean(sums: ReliabilitySums) -> Tensor:
    """Mean reliability of each head over all clips (eq. 7), (H,) float64; 0 where no clip could be judged."""
    return sums.sums_CH.sum(0) / sums.counts_C.sum().clamp(min=1)


class CalmGlobal(CalmBase):
    """CALM-Global: one reliability a head, over all classes (eqs. 6-10). Arguments as `CalmBase`.

    Attributes:
        reliability_: (H,) float32 (eq. 7).
        weights_: (H,) float32 (eq. 8).
    """

    def _pool(self, sums: ReliabilitySums) -> Tensor:
        r_1H = overall_mean(sums)[None]
        return shrink(r_1H, sums.counts_C.sum()[None], self.params.shrinkage)[0].to(torch.float32)


class Calm(CalmBase):
    """CALM: a reliability for each head and class (eqs. 6, 11-13). Arguments as `CalmBase`.

    A class that no clip could judge (its only clip left out, or no held-out clip) takes the overall
    reliabilities.

    Attributes:
        reliability_: (C, H) float32 (eq. 11).
        weights_: (C, H) float32 (eq. 12).
    """

    def _pool(self, sums: ReliabilitySums) -> Tensor:
        counts_C1 = sums.counts_C[:, None]
        r_CH = torch.where(counts_C1 > 0, sums.sums_CH / counts_C1.clamp(min=1), overall_mean(sums)[None])
        # A class that borrowed its reliabilities weighs as one clip.
        return shrink(r_CH, sums.counts_C.clamp(min=1), self.params.shrinkage).to(torch.float32)
