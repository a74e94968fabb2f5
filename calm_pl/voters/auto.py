"""CALM-Auto: whitened heads by reliability, and discriminant analyses of them, averaged by leave-one-out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from calm_pl.functional import (
    apply_whitening,
    calibrate_left_out,
    centred,
    clip_reliability,
    decompose,
    evidence_shares,
    head_weights,
    mean_scores,
    posteriors,
    scatter_sums,
    simplest_likely,
    sum_by_class,
    unit,
    whitened_leave_one_out,
    whitening,
)
from calm_pl.functional.whitening import HeadScatter, ScatterSums
from calm_pl.voters.base import Decision
from calm_pl.voters.calibrated import CalibratedVoter
from calm_pl.voters.checks import check_positive
from calm_pl.voters.discriminant import discriminant_scores, judge_discriminants, mean_discriminant
from calm_pl.voters.evidence import ReliabilitySums
from calm_pl.voters.gram import clip_places, over_ranks
from calm_pl.voters.support import Support

POWERS = (0, 1, 2, 4)
"""Weights of heads tried, w ∝ r^power; 0 weighs all alike."""


@dataclass(frozen=True)
class CalmAutoParams:
    """Hyper-parameters of `CalmAuto`; see there."""

    tau_p: float = 0.1
    whitening_shrinkage: float = 0.3

    def __post_init__(self) -> None:
        check_positive("tau_p", self.tau_p)
        check_positive("whitening_shrinkage", self.whitening_shrinkage)
        if self.whitening_shrinkage > 1:
            raise ValueError(
                "Expected argument `whitening_shrinkage` to be above 0 and at most 1, but got"
                f" {self.whitening_shrinkage!r}."
            )


class CalmAuto(CalibratedVoter):
    """Nothing to tune: two ways to read the heads, averaged and calibrated by leave-one-out on the support.

    1. Each head's space is whitened by its pooled within-class covariance, and heads vote with their cosines,
       w ∝ r^power, r the mean clamped margin (eq. 7) of clips left out. The power is the smallest that is not
       clearly less likely than the best; the clips of a class are judged with weights from the other classes,
       for those of their own class are not independent of them.
    2. Discriminant analyses (see `Gda`) over all heads, weighted the same way, one for each shrinkage.

    All give scores a class, each brought to the temperature that makes left-out clips likeliest. Their mean,
    each by how likely it makes them (`evidence_shares`), is brought to its own temperature, so probabilities
    are calibrated. Taking the likeliest instead of the mean was up to 0.9 points worse at 3 and 5 shots.
    Left-out scores are exact but for this: the margins of other clips, and the weights in the discriminant
    analyses, have seen the clip. With one clip a class nothing can be left out: heads then count alike,
    whitened by the clips' second moment, votes and the discriminant analysis of ρ = 1 weigh the same, and the
    temperature is a constant.

    Reliabilities are not class-conditional. Shrinking class-conditional ones towards these by empirical Bayes
    or by leave-one-out was tried and lost, most of all at 2 to 5 shots.

    `gather_support` must be told its rank; at most `gram.MAX_CLIPS` clips.

    Args:
        tau_p: τ_p of the margins.
        whitening_shrinkage: s in (0, 1], towards the mean variance; 1 does not whiten.

    Attributes:
        reliability_: (H,) float32.
        weights_: (H,) float32, sum to 1.
        whitening_: (H, D, D) float32.
        whitened_: (C, H, D) float32, unit centroids in the whitened space, each head by weight and share.
        discriminant_: (C, H, D) float32, weights on unit head vectors, by share.
        bias_: (C,) float32.
        power_: of the weights.
        rho_: shrinkage of the discriminant analyses, their geometric mean by share.
        share_: of the discriminant analyses in the mean, 0 to 1.
    """

    params: CalmAutoParams
    fitted_names: ClassVar[tuple[str, ...]] = (
        *CalibratedVoter.fitted_names,
        "reliability_",
        "weights_",
        "whitening_",
        "whitened_",
        "discriminant_",
        "bias_",
        "choices_",
    )
    reliability_: Tensor
    weights_: Tensor
    whitening_: Tensor
    whitened_: Tensor
    discriminant_: Tensor
    bias_: Tensor
    choices_: Tensor

    def __init__(self, tau_p: float = 0.1, whitening_shrinkage: float = 0.3) -> None:
        self.params = CalmAutoParams(tau_p, whitening_shrinkage)

    power_ = property(lambda self: float(self.choices_[0]))
    rho_ = property(lambda self: float(self.choices_[1]))
    share_ = property(lambda self: float(self.choices_[2]))

    def _fit_heads(self, support: Support, heldout: Support | None) -> None:
        if heldout is not None:
            raise ValueError("Expected no held-out clips: every choice is made by leave-one-out.")
        places = clip_places(support)
        scatter = _scatter(support)
        margins = self._left_out_margins(support, scatter)
        votes_PNC = over_ranks(support, places, self._left_out_votes(support, scatter, margins)).unbind(1)

        def log_p(scores_NC: Tensor) -> Tensor:
            return calibrate_left_out(scores_NC, places.y_N, support.counts_C).log_p_N

        can_choose = bool((support.counts_C > 1).any())
        power = 0
        if can_choose:
            power = simplest_likely([log_p(votes_NC) for votes_NC in votes_PNC])
        mean_1H = margins.sums_CH.sum(0, keepdim=True) / margins.counts_C.sum().clamp(min=1)
        weights_H = _weights(mean_1H, POWERS[power])[0]
        vote = calibrate_left_out(votes_PNC[power], places.y_N, support.counts_C)
        vote_NC = vote.gain * centred(votes_PNC[power])
        judged = judge_discriminants(support, places, weights_H)
        shares_K = evidence_shares([fit.log_p_N for fit in (vote, *judged.calibrations)])
        mix_NC = mean_scores([vote_NC, *judged.left_out], shares_K)
        gain = calibrate_left_out(mix_NC, places.y_N, support.counts_C).gain

        self._keep_left_out(gain * mix_NC, places.y_N, support.counts_C)
        self.reliability_ = mean_1H[0].to(torch.float32)
        self.weights_ = weights_H.to(torch.float32)
        self.whitening_ = whitening(scatter, self.params.whitening_shrinkage)
        whitened_CHD = unit(apply_whitening(support.centroids_CHD, self.whitening_))
        factor = gain * float(shares_K[0]) * vote.gain
        self.whitened_ = (factor * weights_H[:, None] * whitened_CHD).to(torch.float32)
        fit = mean_discriminant(support, places, weights_H, judged, gain * shares_K[1:])
        self.discriminant_, self.bias_ = fit.weights_CHD.to(torch.float32), fit.bias_C.to(torch.float32)
        shares_R = evidence_shares([one.log_p_N for one in judged.calibrations]).tolist()
        rho = math.prod(rho**share for rho, share in zip(judged.rhos, shares_R, strict=True))
        self.choices_ = torch.tensor([POWERS[power], rho, 1 - float(shares_K[0])], dtype=torch.float64)

    def _left_out_scores(self, support: Support, scatter: HeadScatter) -> Iterator[tuple[slice, Tensor]]:
        """Whitened leave-one-out cosines (n, H, C) of one chunk of clips at a time."""
        for chunk, x_NHD in self._chunks(support.x_NHD):
            yield (
                chunk,
                whitened_leave_one_out(
                    x_NHD,
                    support.y_N[chunk],
                    support.means_CHD,
                    support.counts_C,
                    scatter,
                    self.params.whitening_shrinkage,
                ),
            )

    def _left_out_margins(self, support: Support, scatter: HeadScatter) -> ReliabilitySums:
        """Clamped margins of the clips that can be left out, summed by class over all ranks."""
        sums_CH = torch.zeros(
            support.centroids_CHD.shape[:2], dtype=torch.float64, device=support.x_NHD.device
        )
        for chunk, s_NHC in self._left_out_scores(support, scatter):
            y_N = support.y_N[chunk]
            can_N = support.counts_C[y_N] > 1
            m_NH = clip_reliability(posteriors(s_NHC[can_N], self.params.tau_p), y_N[can_N])
            sums_CH += sum_by_class(m_NH, y_N[can_N], len(sums_CH))
        counts_C = torch.where(support.counts_C > 1, support.counts_C, torch.zeros_like(support.counts_C))
        return ReliabilitySums(support.all_reduce(sums_CH), counts_C)

    def _left_out_votes(self, support: Support, scatter: HeadScatter, margins: ReliabilitySums) -> Tensor:
        """Votes of this rank's clips for each power of `POWERS`, (n, P, C) float64.

        A clip's weights come from the margins of the other classes alone.
        """
        others_C = (margins.counts_C.sum() - margins.counts_C).clamp(min=1)
        r_CH = (margins.sums_CH.sum(0) - margins.sums_CH) / others_C[:, None]
        w_PCH = torch.stack([_weights(r_CH, power) for power in POWERS])
        votes = [
            torch.einsum("pnh,nhc->npc", w_PCH[:, support.y_N[chunk]], s_NHC.to(torch.float64))
            for chunk, s_NHC in self._left_out_scores(support, scatter)
        ]
        nothing = torch.zeros(0, len(POWERS), len(r_CH), dtype=torch.float64, device=support.x_NHD.device)
        return torch.cat([nothing, *votes])

    def decide_vectors(self, x_NHD: Tensor, candidates_NC: Tensor | None = None) -> Decision:
        """Log-probabilities; equal ones go to the lower class index."""
        u_NHD = unit(x_NHD)
        scores_NC = discriminant_scores(u_NHD, self.discriminant_, self.bias_)
        v_NHD = unit(apply_whitening(x_NHD, self.whitening_))
        scores_NC += torch.einsum("nhd,chd->nc", v_NHD, self.whitened_.to(torch.float64))
        if candidates_NC is not None:
            scores_NC = scores_NC.masked_fill(~candidates_NC, -torch.inf)
        scores_NC = torch.log_softmax(scores_NC, -1).to(torch.float32)
        return Decision(scores_NC, scores_NC.argmax(-1))


def _scatter(support: Support) -> HeadScatter:
    """Within-class scatter of each head over the clips of all ranks.

    With one clip a class there is none, and their second moment Σ x xᵀ takes its place: directions that all
    clips share count for little.
    """
    means_CHD = support.means_CHD
    if not bool((support.counts_C > 1).any()):
        means_CHD = torch.zeros_like(means_CHD)
    own = scatter_sums(support.x_NHD, support.y_N, means_CHD)
    return decompose(ScatterSums(*(support.all_reduce(part) for part in own)))


def _weights(r_CH: Tensor, power: int) -> Tensor:
    """Rows of weights w ∝ r^power, float64."""
    if power == 0:
        return torch.full_like(r_CH, 1 / r_CH.shape[-1])
    return head_weights(r_CH, tau_w=1 / power, weight_map="power").to(torch.float64)
