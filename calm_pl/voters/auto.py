"""CALM-Auto: heads whitened and weighted by reliability, and linear classifiers on them, averaged."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from calm_pl.functional import (
    FoldedClips,
    ScatterSums,
    apply_whitening,
    calibrate_left_out,
    centred,
    class_sums,
    clip_reliability,
    evidence_shares,
    head_weights,
    mean_scores,
    posteriors,
    scatter_sums,
    simplest_likely,
    sum_by_class,
    unit,
    whitening,
    without,
)
from calm_pl.functional.folds import NEVER
from calm_pl.validation import above_zero, above_zero_to_one, setting
from calm_pl.voters.base import Decision
from calm_pl.voters.calibrated import CalibratedVoter
from calm_pl.voters.evidence import ReliabilitySums
from calm_pl.voters.gram import Places, clip_gram, clip_places, folded_clips, over_ranks
from calm_pl.voters.linear import (
    RHOS,
    discriminants,
    linear_scores,
    logistic_regressions,
    mean_classifier,
)
from calm_pl.voters.settings import VoterSettings
from calm_pl.voters.state import Form, check_between, check_weights
from calm_pl.voters.support import Support

POWERS = (0, 1, 2, 4)
"""Head weights to try, w ∝ r^power; 0 weights all equally."""
HELD_SCORES = 2**27
"""Maximum size of held-out scores kept for their second use, 512 MiB; larger ones are computed twice."""


class ScoredClips(NamedTuple):
    """Scores of some support clips of this rank.

    Attributes:
        rows_n: their positions.
        s_nHC: whitened cosines with the class means, float32.
        is_left_out: whether the fit behind them was without these clips.
    """

    rows_n: Tensor
    s_nHC: Tensor
    is_left_out: bool


@dataclass
class CalmAutoSettings(VoterSettings):
    """Parameters of `CalmAuto`; they do not need tuning."""

    tau_p: float = setting(0.1, above_zero())
    """Temperature τ_p of the margins."""
    whitening_shrinkage: float = setting(0.3, above_zero_to_one())
    """How strongly each head's covariance is shrunk towards the mean variance; 1 does not whiten."""


class CalmAuto(CalibratedVoter, CalmAutoSettings):
    """Classifier without tuning: three readings of the heads, averaged and calibrated on held-out clips.

    1. Each head's space is whitened by its pooled within-class covariance, and heads vote with their cosines,
       w ∝ r^power, r the mean clamped margin (eq. 7) of clips left out. The power is the smallest that is not
       clearly less likely than the best; the clips of a class are judged with weights from the other classes,
       for those of their own class are not independent of them.
    2. Discriminant analyses (see `Gda`) over all heads, weighted the same way, one for each shrinkage.
    3. Logistic regression of the same (see `linear.logistic_regressions`), where clips are few.

    All give scores a class, each brought to the temperature that makes left-out clips likeliest. Their mean,
    each by how likely it makes them (`evidence_shares`), is brought to its own temperature, so probabilities
    are calibrated. Taking the likeliest instead of the mean was up to 0.9 points worse at 3 and 5 shots.

    Clips are left out in folds that take from all classes alike (`balanced_folds` says why), and their scores
    are those of fits without the fold, but for this: the margins of other clips, and the weights in 2 and 3,
    have seen the clip. With one clip a class nothing can be left out: heads then count alike, whitened by the
    clips' second moment, the votes, the discriminant analysis of ρ = 1 and logistic regression weigh the
    same, and the temperature is a constant.

    Reliabilities are not class-conditional. Shrinking class-conditional ones towards these by empirical Bayes
    or by leave-one-out was tried and lost, most of all at 2 to 5 shots.

    `gather_support` must be told its rank; at most `gram.MAX_CLIPS` clips.

    Parameters are those of `CalmAutoSettings`.

    Attributes:
        reliability_: (H,) float32.
        weights_: (H,) float32, sum to 1.
        whitening_: (H, D, D) float32.
        whitened_: (C, H, D) float32, unit centroids in the whitened space, each head by weight and share.
        discriminant_: (C, H, D) float32, weights on unit head vectors, of 2 and 3 by share.
        bias_: (C,) float32.
        power_: of the weights.
        rho_: shrinkage of the discriminant analyses, their geometric mean by share.
        share_: of 2 and 3 together in the mean, 0 to 1.
    """

    fitted_forms: ClassVar[Mapping[str, Form]] = {
        **CalibratedVoter.fitted_forms,
        "reliability_": Form("H"),
        "weights_": Form("H"),
        "whitening_": Form("HDD"),
        "whitened_": Form("CHD"),
        "discriminant_": Form("CHD"),
        "bias_": Form("C"),
        "choices_": Form("3", torch.float64),
    }
    reliability_: Tensor
    weights_: Tensor
    whitening_: Tensor
    whitened_: Tensor
    discriminant_: Tensor
    bias_: Tensor
    choices_: Tensor

    power_ = property(lambda self: float(self.choices_[0]))
    rho_ = property(lambda self: float(self.choices_[1]))
    share_ = property(lambda self: float(self.choices_[2]))

    def _fit_heads(self, support: Support, heldout: Support | None) -> None:
        if heldout is not None:
            raise ValueError("Expected no held-out clips: all choices are made by leaving out support clips.")
        places = clip_places(support)
        clips = folded_clips(support, places)
        scatter = _scatter(support)
        scores = self._left_out(support, scatter, clips, places)
        margins = self._left_out_margins(support, clips, scores)
        votes_NPC = over_ranks(support, places, self._left_out_votes(support, margins, scores))
        by_power = [calibrate_left_out(votes_NC, clips) for votes_NC in votes_NPC.unbind(1)]
        place = simplest_likely([one.log_p_N for one in by_power]) if clips.num_folds else 0
        mean_1H = margins.sums_CH.sum(0, keepdim=True) / margins.counts_C.sum().clamp(min=1)
        weights_H = _weights(mean_1H, POWERS[place])[0]
        vote = by_power[place]
        vote_NC = vote.gain * centred(votes_NPC[:, place])

        num_classes, _, dim = support.centroids_CHD.shape
        num_features = int(support.live_H.sum()) * dim
        gram_NN = clip_gram(support, places, weights_H)
        analyses = discriminants(gram_NN, clips, num_classes, num_features)
        linear = analyses + logistic_regressions(gram_NN, clips, num_classes, num_features)
        shares_K = evidence_shares([vote.log_p_N, *(one.calibration.log_p_N for one in linear)])
        mix_NC = mean_scores([vote_NC, *(one.left_out_NC for one in linear)], shares_K)
        gain = calibrate_left_out(mix_NC, clips).gain

        self._keep_left_out(gain * mix_NC, clips)
        self.reliability_ = mean_1H[0].to(torch.float32)
        self.weights_ = weights_H.to(torch.float32)
        self.whitening_ = whitening(scatter, self.whitening_shrinkage)
        whitened_CHD = unit(apply_whitening(support.centroids_CHD, self.whitening_))
        factor = gain * float(shares_K[0]) * vote.gain
        self.whitened_ = (factor * weights_H[:, None] * whitened_CHD).to(torch.float32)
        fit = mean_classifier(support, places, weights_H, linear, gain * shares_K[1:])
        self.discriminant_, self.bias_ = fit.weights_CHD.to(torch.float32), fit.bias_C.to(torch.float32)
        shares_R = shares_K[1 : len(analyses) + 1] / shares_K[1 : len(analyses) + 1].sum()
        rho = math.prod(rho**share for rho, share in zip(RHOS, shares_R.tolist(), strict=False))
        self.choices_ = torch.tensor([POWERS[place], rho, 1 - float(shares_K[0])], dtype=torch.float64)

    def _left_out(
        self, support: Support, scatter: ScatterSums, clips: FoldedClips, places: Places
    ) -> Callable[[], Iterable[ScoredClips]]:
        """Return what gives the scores of this rank's clips without their fold: held, or made anew."""
        num_classes, heads, _ = support.centroids_CHD.shape

        def made() -> Iterator[ScoredClips]:
            return self._left_out_scores(support, scatter, clips, places)

        # By the clips of all ranks: making them is a collective.
        if len(places.y_N) * heads * num_classes > HELD_SCORES:
            return made
        held = list(made())
        return lambda: held

    def _left_out_scores(
        self, support: Support, scatter: ScatterSums, clips: FoldedClips, places: Places
    ) -> Iterator[ScoredClips]:
        """Yield chunks of this rank's clips, each of one fold, scored by a fit without that fold.

        Clips that are never left out come last, with the scores of the full fit.
        """
        own_fold_N, own_y_N = clips.fold_N[places.own], support.y_N
        num_classes = len(support.classes)
        for fold in [*range(clips.num_folds), NEVER]:
            rows_n = (own_fold_N == fold).nonzero()[:, 0]
            means_CHD, sums = support.means_CHD, scatter
            if fold != NEVER:
                x_nHD, y_n = support.x_NHD[rows_n], own_y_N[rows_n]
                gone_CHD, _ = class_sums(x_nHD, y_n, num_classes)
                gone_C = torch.bincount(clips.y_N[clips.fold_N == fold], minlength=num_classes)
                left_C = support.counts_C - gone_C
                gone_CHD = support.all_reduce(gone_CHD) - gone_C[:, None, None] * means_CHD
                gone = ScatterSums(*map(support.all_reduce, scatter_sums(x_nHD, y_n, means_CHD)))
                means_CHD = means_CHD - gone_CHD / left_C[:, None, None]
                sums = without(scatter, gone, gone_CHD, left_C)
            whitening_HDD = whitening(sums, self.whitening_shrinkage)
            unit_CHD = unit(apply_whitening(means_CHD, whitening_HDD))
            for chunk, x_nHD in self._chunks(support.x_NHD[rows_n]):
                v_nHD = unit(apply_whitening(x_nHD, whitening_HDD))
                s_nHC = torch.einsum("nhd,chd->nhc", v_nHD, unit_CHD).to(torch.float32)
                yield ScoredClips(rows_n[chunk], s_nHC, fold != NEVER)

    def _left_out_margins(
        self, support: Support, clips: FoldedClips, scores: Callable[[], Iterable[ScoredClips]]
    ) -> ReliabilitySums:
        """Return clamped margins of the clips that can be left out, summed by class over all ranks."""
        sums_CH = torch.zeros(
            support.centroids_CHD.shape[:2], dtype=torch.float64, device=support.x_NHD.device
        )
        for rows_n, s_nHC, is_left_out in scores():
            if not is_left_out:
                continue
            y_n = support.y_N[rows_n]
            if support.also_NC is not None:
                s_nHC = s_nHC.masked_fill(support.also_NC[rows_n][:, None], -torch.inf)
            m_nH = clip_reliability(posteriors(s_nHC, self.tau_p), y_n)
            sums_CH += sum_by_class(m_nH, y_n, len(sums_CH))
        counts_C = torch.bincount(clips.y_N[clips.can_N], minlength=len(sums_CH)).to(torch.float64)
        return ReliabilitySums(support.all_reduce(sums_CH), counts_C)

    def _left_out_votes(
        self, support: Support, margins: ReliabilitySums, scores: Callable[[], Iterable[ScoredClips]]
    ) -> Tensor:
        """Return votes of this rank's clips for each power of `POWERS`, (n, P, C) float64.

        A clip's weights come from the margins of the other classes alone.
        """
        others_C = (margins.counts_C.sum() - margins.counts_C).clamp(min=1)
        r_CH = (margins.sums_CH.sum(0) - margins.sums_CH) / others_C[:, None]
        w_PCH = torch.stack([_weights(r_CH, power) for power in POWERS])
        votes_NPC = torch.zeros(len(support.y_N), len(POWERS), len(r_CH)).to(r_CH)
        for rows_n, s_nHC, _ in scores():
            w_PnH = w_PCH[:, support.y_N[rows_n]]
            votes_NPC[rows_n] = torch.einsum("pnh,nhc->npc", w_PnH, s_nHC.to(torch.float64))
        return votes_NPC

    def check_values(self, state: Mapping[str, Tensor]) -> None:
        """Refuse weights, reliabilities, probabilities and choices that cannot be."""
        super().check_values(state)
        check_weights(state["weights"])
        check_between("reliability", state["reliability"], 0, 1)
        power, rho, share = state["choices"].tolist()
        if power not in POWERS or not 0 < rho < 1e6 or not -1e-9 <= share <= 1 + 1e-9:
            raise ValueError(
                f"`choices` must be a power among {POWERS}, a positive shrinkage and a share of 0 to 1, but"
                f" are {[power, rho, share]}"
            )

    def decide_vectors(self, x_NHD: Tensor, candidates_NC: Tensor | None = None) -> Decision:
        """Return log-probabilities; equal ones go to the lower class index."""
        u_NHD = unit(x_NHD)
        scores_NC = linear_scores(u_NHD, self.discriminant_, self.bias_)
        v_NHD = unit(apply_whitening(x_NHD, self.whitening_))
        scores_NC += torch.einsum("nhd,chd->nc", v_NHD, self.whitened_.to(torch.float64))
        if candidates_NC is not None:
            scores_NC = scores_NC.masked_fill(~candidates_NC, -torch.inf)
        scores_NC = torch.log_softmax(scores_NC, -1).to(torch.float32)
        return Decision(scores_NC, scores_NC.argmax(-1))


def _scatter(support: Support) -> ScatterSums:
    """Return the within-class scatter of each head over the clips of all ranks.

    With one clip a class there is none, and their second moment Σ x xᵀ takes its place: directions that all
    clips share count for little.
    """
    means_CHD = support.means_CHD
    if not bool((support.counts_C > 1).any()):
        means_CHD = torch.zeros_like(means_CHD)
    own = scatter_sums(support.x_NHD, support.y_N, means_CHD)
    return ScatterSums(*(support.all_reduce(part) for part in own))


def _weights(r_CH: Tensor, power: int) -> Tensor:
    """Return rows of weights w ∝ r^power, float64."""
    if power == 0:
        return torch.full_like(r_CH, 1 / r_CH.shape[-1])
    return head_weights(r_CH, tau_w=1 / power, weight_map="power").to(torch.float64)
