"""CALM-Auto: the average of votes by whitened, weighted heads and of linear classifiers on the same heads."""

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
"""Held-out scores up to this size (512 MiB) are kept for their second use; larger ones are computed twice."""


class ScoredClips(NamedTuple):
    """Scores of some of this rank's support clips.

    Attributes:
        rows_n: their positions.
        s_nHC: whitened cosines with the class means, float32.
        is_left_out: whether these clips were held out of the fit that scored them.
    """

    rows_n: Tensor
    s_nHC: Tensor
    is_left_out: bool


@dataclass
class CalmAutoSettings(VoterSettings):
    """Parameters of `CalmAuto`; they need no tuning."""

    tau_p: float = setting(0.1, above_zero())
    """Temperature τ_p of the margins."""
    whitening_shrinkage: float = setting(0.3, above_zero_to_one())
    """How strongly each head's covariance is shrunk towards the mean variance; 1 does not whiten."""


class CalmAuto(CalibratedVoter, CalmAutoSettings):
    """Classifier without tuning: three kinds of classifier, averaged and calibrated on held-out clips.

    1. Votes: each head's space is whitened by its pooled within-class covariance, and heads vote with their
       cosines, weighted by w ∝ r^power, where r is the mean clamped margin (eq. 7) of held-out clips. The
       power is the smallest that is not clearly less likely than the best. The clips of a class are judged
       with weights from the other classes, because weights from their own class would depend on them.
    2. Discriminant analyses (see `Gda`) over all heads, weighted the same way, one per shrinkage.
    3. Logistic regression on the same weighted heads (see `linear.logistic_regressions`), with few clips.

    Each classifier's scores are scaled by the temperature that makes held-out clips likeliest. They are then
    averaged with weights that grow with the likelihood of held-out clips (`evidence_shares`), and the mean is
    given its own temperature, so that probabilities are calibrated. Taking the likeliest classifier instead
    of the mean was up to 0.9 points worse at 3 and 5 shots.

    Clips are held out in folds that take equally from all classes (`balanced_folds` says why), and are scored
    by fits without the fold, with one exception: the margins of other clips, and the head weights in 2 and 3,
    include the clip. With one clip per class no clip can be held out: all heads then have equal weight and
    are whitened by the clips' second moment; the votes, the discriminant analysis with ρ = 1 and logistic
    regression have equal weight; and the temperature is a constant.

    Reliabilities are not class-conditional. Class-conditional ones, shrunk towards these by empirical Bayes
    or leave-one-out, were tried and were worse, most of all at 2 to 5 shots.

    `gather_support` needs `rank` and `num_ranks`; at most `gram.MAX_CLIPS` clips.

    Parameters are those of `CalmAutoSettings`.

    Attributes:
        reliability_: (H,) float32.
        weights_: (H,) float32, sum to 1.
        whitening_: (H, D, D) float32.
        whitened_: (C, H, D) float32, unit centroids in the whitened space, scaled by the head's weight and
            the votes' share.
        discriminant_: (C, H, D) float32, weights on unit head vectors, 2 and 3 combined by their shares.
        bias_: (C,) float32.
        power_: power of the head weights.
        rho_: shrinkage of the discriminant analyses, the geometric mean weighted by their shares.
        share_: share of 2 and 3 together in the mean, 0 to 1.
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
            raise ValueError("Expected no `heldout`: CALM-Auto holds out support clips itself.")
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
        """Return a function that yields held-out scores of this rank's clips, kept or recomputed."""
        num_classes, heads, _ = support.centroids_CHD.shape

        def made() -> Iterator[ScoredClips]:
            return self._left_out_scores(support, scatter, clips, places)

        # Decided by the clips of all ranks, so that all ranks agree: computing the scores is a collective.
        if len(places.y_N) * heads * num_classes > HELD_SCORES:
            return made
        held = list(made())
        return lambda: held

    def _left_out_scores(
        self, support: Support, scatter: ScatterSums, clips: FoldedClips, places: Places
    ) -> Iterator[ScoredClips]:
        """Yield chunks of this rank's clips, one fold each, scored by a fit without that fold.

        Clips that are never held out come last, with scores of the full fit.
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
        """Return clamped margins of the clips that can be held out, summed by class over all ranks."""
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

        The head weights for a clip come from the margins of the other classes only.
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
        """Raise ValueError for weights, reliabilities, probabilities or choices outside their range."""
        super().check_values(state)
        check_weights(state["weights"])
        check_between("reliability", state["reliability"], 0, 1)
        power, rho, share = state["choices"].tolist()
        if power not in POWERS or not 0 < rho < 1e6 or not -1e-9 <= share <= 1 + 1e-9:
            raise ValueError(
                f"`choices` must be a power among {POWERS}, a positive shrinkage and a share from 0 to 1, but"
                f" are {[power, rho, share]}"
            )

    def decide_vectors(self, x_NHD: Tensor, candidates_NC: Tensor | None = None) -> Decision:
        """Return log-probabilities and winners; ties go to the lower class index."""
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

    With one clip per class there is no scatter; the second moment Σ x xᵀ replaces it, so that directions
    common to all clips count for little.
    """
    means_CHD = support.means_CHD
    if not bool((support.counts_C > 1).any()):
        means_CHD = torch.zeros_like(means_CHD)
    own = scatter_sums(support.x_NHD, support.y_N, means_CHD)
    return ScatterSums(*(support.all_reduce(part) for part in own))


def _weights(r_CH: Tensor, power: int) -> Tensor:
    """Return weights w ∝ r^power per row, float64."""
    if power == 0:
        return torch.full_like(r_CH, 1 / r_CH.shape[-1])
    return head_weights(r_CH, tau_w=1 / power, weight_map="power").to(torch.float64)
