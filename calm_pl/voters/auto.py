"""CALM-Auto: the average of votes by whitened, weighted heads and of linear classifiers on the same heads."""

from __future__ import annotations

import math
from collections.abc import Mapping
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
    clip_chunks,
    clip_reliability,
    evidence_shares,
    head_weights,
    mean_scores,
    posteriors,
    scatter_sums,
    simplest_likely,
    sum_by_class,
    unit,
    whitened_cosines,
    whitening,
    without,
)
from calm_pl.functional.folds import NEVER
from calm_pl.validation import above_zero, above_zero_to_one, setting
from calm_pl.voters.base import Decision
from calm_pl.voters.calibrated import CalibratedVoter
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
from calm_pl.voters.support import ReliabilitySums, Support

POWERS = (0, 1, 2, 4)
"""Head weights to try, w ∝ r^power; 0 weights all equally."""
_BLOCK = 2**20
"""Values of the heads whose clips are scored at once: 8 MiB in float64, which the allocator reuses."""


class LeftOutVotes(NamedTuple):
    """What whitened heads say about support clips, each scored by a fit without its fold.

    Attributes:
        votes_NPC: votes of this rank's clips for each power of `POWERS`, float64. A clip's head weights come
            from the margins of the other classes only. Clips that are never held out are scored by the full
            fit.
        margins: clamped margins of the clips that can be held out, summed by class over all ranks.
        whitening_HDD: of the full fit, float32.
    """

    votes_NPC: Tensor
    margins: ReliabilitySums
    whitening_HDD: Tensor


class ScoredHeads(NamedTuple):
    """Scores of this rank's clips in some heads.

    Attributes:
        s_NHC: whitened cosines with the class means, float32.
        whitening_HDD: of the full fit, float32.
    """

    s_NHC: Tensor
    whitening_HDD: Tensor


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
        voted = self._left_out_votes(support, clips, places)
        margins = voted.margins
        votes_NPC = over_ranks(support, places, voted.votes_NPC)
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
        self.whitening_ = voted.whitening_HDD
        whitened_CHD = unit(apply_whitening(support.centroids_CHD, self.whitening_))
        factor = gain * float(shares_K[0]) * vote.gain
        self.whitened_ = (factor * weights_H[:, None] * whitened_CHD).to(torch.float32)
        fit = mean_classifier(support, places, weights_H, linear, gain * shares_K[1:])
        self.discriminant_, self.bias_ = fit.weights_CHD.to(torch.float32), fit.bias_C.to(torch.float32)
        shares_R = shares_K[1 : len(analyses) + 1] / shares_K[1 : len(analyses) + 1].sum()
        rho = math.prod(rho**share for rho, share in zip(RHOS, shares_R.tolist(), strict=False))
        self.choices_ = torch.tensor([POWERS[place], rho, 1 - float(shares_K[0])], dtype=torch.float64)

    def _left_out_votes(self, support: Support, clips: FoldedClips, places: Places) -> LeftOutVotes:
        """Score all clips, a few heads at a time: what a head says depends on no other head."""
        num_classes, heads, dim = support.centroids_CHD.shape
        # Clips of one fold next to each other, those that are never held out first.
        fold_n, order_n = clips.fold_N[places.own].sort(stable=True)
        y_n = support.y_N[order_n]
        also_n1C = None if support.also_NC is None else support.also_NC[order_n][:, None]
        can_n = fold_n != NEVER
        counts_C = torch.bincount(clips.y_N[clips.can_N], minlength=num_classes).to(torch.float64)
        others_C1 = (counts_C.sum() - counts_C).clamp(min=1)[:, None]
        sums_CH = torch.zeros(num_classes, heads, dtype=torch.float64, device=y_n.device)
        votes_nPC = torch.zeros(len(y_n), len(POWERS), num_classes).to(sums_CH)
        totals_PC = torch.zeros(len(POWERS), num_classes).to(sums_CH)
        parts = []
        # Decided by the clips of all ranks, so that all ranks take the same heads: they exchange sums.
        per_head = max(len(places.y_N) * max(num_classes, dim), clips.num_folds * dim**2)
        for some in clip_chunks(heads, per_head, _BLOCK):
            scored = self._scored_heads(support, clips, some, fold_n, order_n)
            judged_nHC = scored.s_NHC[can_n]
            if also_n1C is not None:
                judged_nHC = judged_nHC.masked_fill(also_n1C[can_n], -torch.inf)
            m_nH = clip_reliability(posteriors(judged_nHC, self.tau_p), y_n[can_n])
            sums_CH[:, some] = support.all_reduce(sum_by_class(m_nH, y_n[can_n], num_classes))
            r_CH = ((sums_CH[:, some].sum(0) - sums_CH[:, some]) / others_C1).clamp(min=0)
            w_PCH = torch.stack([r_CH**power for power in POWERS])
            totals_PC += w_PCH.sum(-1)
            votes_nPC += torch.bmm(w_PCH[:, y_n].transpose(0, 1), scored.s_NHC.to(torch.float64))
            parts.append(scored.whitening_HDD)
        # Where no head tells the other classes apart, all heads are weighted equally.
        none_nP1 = (totals_PC == 0).T[y_n][..., None]
        votes_nPC /= totals_PC.clamp(min=torch.finfo(torch.float64).tiny).T[y_n][..., None]
        votes_NPC = torch.empty_like(votes_nPC)
        votes_NPC[order_n] = torch.where(none_nP1, votes_nPC[:, :1], votes_nPC)
        return LeftOutVotes(votes_NPC, ReliabilitySums(sums_CH, counts_C), torch.cat(parts))

    def _scored_heads(
        self, support: Support, clips: FoldedClips, heads: slice, fold_n: Tensor, order_n: Tensor
    ) -> ScoredHeads:
        """Score this rank's clips in some heads.

        Args:
            support: the clips.
            clips: the clips of all ranks.
            heads: the heads.
            fold_n: the folds of this rank's clips, sorted.
            order_n: the clips in that order.
        """
        num_classes = len(support.classes)
        x_nHD, y_n = support.vectors(heads=heads)[order_n].to(torch.float64), support.y_N[order_n]
        means_CHD = support.means_CHD[:, heads]
        sizes = torch.bincount(fold_n - NEVER, minlength=clips.num_folds + 1).tolist()
        parts = list(zip(x_nHD.split(sizes), y_n.split(sizes), strict=True))
        # With one clip per class there is no scatter; the second moment Σ x xᵀ replaces it, so that
        # directions common to all clips count for little.
        around_CHD = means_CHD if bool((support.counts_C > 1).any()) else torch.zeros_like(means_CHD)
        sums = [scatter_sums(x, y, around_CHD) for x, y in parts]
        scatter_FHDD, energy_FH = (
            support.all_reduce(torch.stack(column)) for column in zip(*sums, strict=True)
        )
        gone_FCHD = support.all_reduce(torch.stack([class_sums(x, y, num_classes)[0] for x, y in parts]))
        whole = ScatterSums(scatter_FHDD.sum(0), energy_FH.sum(0))
        scores = [whitened_cosines(parts[0][0], means_CHD, whole, self.whitening_shrinkage)]
        for fold, (x, _) in enumerate(parts[1:]):
            gone_C = torch.bincount(clips.y_N[clips.fold_N == fold], minlength=num_classes)[:, None, None]
            left_C = support.counts_C - gone_C[:, 0, 0]
            gone_CHD = gone_FCHD[fold + 1] - gone_C * means_CHD
            rest = without(whole, ScatterSums(scatter_FHDD[fold + 1], energy_FH[fold + 1]), gone_CHD, left_C)
            rest_CHD = means_CHD - gone_CHD / left_C[:, None, None]
            scores.append(whitened_cosines(x, rest_CHD, rest, self.whitening_shrinkage))
        return ScoredHeads(torch.cat(scores), whitening(whole, self.whitening_shrinkage))

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


def _weights(r_CH: Tensor, power: int) -> Tensor:
    """Return weights w ∝ r^power per row, float64."""
    if power == 0:
        return torch.full_like(r_CH, 1 / r_CH.shape[-1])
    return head_weights(r_CH, tau_w=1 / power, weight_map="power").to(torch.float64)
