"""Gaussian discriminants of single heads, ranked, the best ones together: after HEC (arXiv 2603.24181)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Optional

import torch
from torch import Tensor

from calm_pl.functional import (
    FoldedClips,
    HeadDiscriminants,
    calibrate_left_out,
    class_sums,
    head_discriminants,
    log_posteriors,
    scatter_sums,
    top_heads,
    unit,
    without,
)
from calm_pl.functional.chunks import MAX_BLOCK
from calm_pl.functional.folds import NEVER
from calm_pl.functional.whitening import ScatterSums
from calm_pl.validation import at_least, setting
from calm_pl.voters.gda import LinearVoter
from calm_pl.voters.gram import Places, clip_places, folded_clips, over_ranks
from calm_pl.voters.settings import VoterSettings
from calm_pl.voters.state import Form, check_between, check_heads
from calm_pl.voters.support import Support


@dataclass
class HeadGdaSettings(VoterSettings):
    """Parameters of `HeadGda`."""

    top_k: Optional[int] = setting(20, at_least(1))
    """Number of heads in the ensemble; null uses all."""


class HeadGda(LinearVoter, HeadGdaSettings):
    """The `top_k` heads with the best Gaussian discriminants, whose log-densities are added.

    A baseline after Head Ensemble Classifiers (HEC), of which only the abstract was at hand: heads are ranked
    by Gaussian discriminants and the best are combined without training. What the abstract leaves open was
    chosen here: each head's unit vectors have class means and one covariance, shrunk as in arXiv 2402.04087;
    heads are ranked by the mean posterior of the true class over held-out support clips (`balanced_folds`;
    by their log-likelihood, heads that know nothing would win over overconfident ones); the kept heads count
    equally, and their number is that of SAVs. HEC also uses heads of the vision encoder, which has no
    counterpart here. With one clip per class nothing can be held out, and all heads are kept.

    Parameters are those of `HeadGdaSettings`.

    Attributes:
        reliability_: (H,) mean posterior of the true class of held-out clips, float32; 0 with one clip per
            class.
        heads_: (K,) kept heads, best first; ties to the lower index.
        discriminant_: (C, H, D) float32, weights on unit head vectors, 0 for heads that are not kept, scaled
            so that the softmax of the scores is calibrated on held-out clips.
        bias_: (C,) float32.
    """

    fitted_forms: ClassVar[Mapping[str, Form]] = {
        **LinearVoter.fitted_forms,
        "reliability_": Form("H"),
        "heads_": Form("K", torch.int64),
    }
    fitted_params_: HeadGdaSettings
    reliability_: Tensor
    heads_: Tensor

    def _fit_heads(self, support: Support, heldout: Support | None) -> None:
        if heldout is not None:
            raise ValueError("Expected no `heldout`: heads are ranked by support clips held out in turn.")
        places = clip_places(support)
        clips = folded_clips(support, places)
        classes, heads, dim = support.centroids_CHD.shape
        every_H = torch.arange(heads, device=support.device)
        step = max(1, MAX_BLOCK // (max(len(places.y_N), classes, dim) * max(classes, dim)))
        sums_H = torch.zeros(heads, dtype=torch.float64, device=support.device)
        if clips.num_folds:
            for some in every_H.split(step):
                sums_H[some] = self._left_out_posteriors(support, some, clips, places)
        sums_H = support.all_reduce(sums_H)
        keep = self.fitted_params_.top_k if clips.num_folds else None
        self.heads_ = top_heads(sums_H[None], keep, support.live_H)[0]
        self.reliability_ = (sums_H / clips.can_N.sum().clamp(min=1)).to(torch.float32)

        total_NC = torch.zeros(len(support.y_N), classes, dtype=torch.float64, device=sums_H.device)
        weights_CHD = torch.zeros_like(support.means_CHD)
        bias_C = torch.zeros(classes, dtype=torch.float64, device=sums_H.device)
        for some in self.heads_.split(step):
            for rows_n, scores_nhC in _left_out_scores(support, some, clips, places):
                total_NC[rows_n] += scores_nhC.sum(1)
            fit = _Block(support, some).fit()
            weights_CHD[:, some] = fit.weights_CHD
            bias_C += fit.bias_CH.sum(1)
        left_out_NC = over_ranks(support, places, total_NC)
        gain = calibrate_left_out(left_out_NC, clips).gain
        self._keep_left_out(gain * left_out_NC, clips)
        self.discriminant_ = (gain * weights_CHD).to(torch.float32)
        self.bias_ = (gain * bias_C).to(torch.float32)

    def _left_out_posteriors(
        self, support: Support, some: Tensor, clips: FoldedClips, places: Places
    ) -> Tensor:
        """Return true classes' posteriors over this rank's held-out clips, summed for some heads, (h,)."""
        sums_h = torch.zeros(len(some), dtype=torch.float64, device=some.device)
        for rows_n, scores_nhC in _left_out_scores(support, some, clips, places):
            can_n = clips.can_N[places.own][rows_n]
            y_n11 = support.y_N[rows_n][:, None, None].expand(-1, len(some), 1)
            also_n1C = None if support.also_NC is None else support.also_NC[rows_n][:, None]
            own_nh = log_posteriors(scores_nhC, also_n1C).gather(2, y_n11)[..., 0]
            sums_h += own_nh[can_n].exp().sum(0)
        return sums_h

    def check_values(self, state: Mapping[str, Tensor]) -> None:
        """Raise ValueError for heads that do not exist or are weighted without being kept."""
        super().check_values(state)
        check_between("reliability", state["reliability"], 0, 1)
        check_heads(state["heads"], len(state["reliability"]))
        dropped_H = torch.ones(len(state["reliability"]), dtype=torch.bool)
        dropped_H[state["heads"]] = False
        if bool(state["discriminant"][:, dropped_H].any()):
            raise ValueError("`discriminant` must be 0 for heads that are not in `heads`")


class _Block:
    """A few heads of the support: their unit vectors, means and scatter over all ranks; float64."""

    def __init__(self, support: Support, some: Tensor) -> None:
        self.support = support
        self.x_NhD = unit(support.vectors(heads=some))
        sums_ChD, _ = class_sums(self.x_NhD, support.y_N, len(support.classes))
        self.means_ChD = support.all_reduce(sums_ChD) / support.counts_C[:, None, None]
        own = scatter_sums(self.x_NhD, support.y_N, self.means_ChD)
        self.sums = ScatterSums(*map(support.all_reduce, own))

    def fit(self) -> HeadDiscriminants:
        """Return the discriminants of all clips."""
        return head_discriminants(self.means_ChD, self.sums, self.support.counts_C)

    def fit_without(self, gone_n: Tensor, left_C: Tensor) -> HeadDiscriminants:
        """Return the discriminants without some clips; every rank must call it, with those of its own."""
        x_nhD, y_n = self.x_NhD[gone_n], self.support.y_N[gone_n]
        sums_ChD, _ = class_sums(x_nhD, y_n, len(left_C))
        gone_C = self.support.counts_C - left_C
        shift_ChD = self.support.all_reduce(sums_ChD) - gone_C[:, None, None] * self.means_ChD
        gone = ScatterSums(*map(self.support.all_reduce, scatter_sums(x_nhD, y_n, self.means_ChD)))
        means_ChD = self.means_ChD - shift_ChD / left_C[:, None, None]
        return head_discriminants(means_ChD, without(self.sums, gone, shift_ChD, left_C), left_C)


def _left_out_scores(
    support: Support, some: Tensor, clips: FoldedClips, places: Places
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield this rank's clips, one fold each, with scores (n, h, C) by a fit without that fold.

    Clips that are never held out come last, with scores of the full fit.
    """
    block = _Block(support, some)
    own_fold_N = clips.fold_N[places.own]
    for fold in [*range(clips.num_folds), NEVER]:
        rows_n = (own_fold_N == fold).nonzero()[:, 0]
        if fold == NEVER:
            fit = block.fit()
        else:
            gone_C = torch.bincount(clips.y_N[clips.fold_N == fold], minlength=len(support.classes))
            fit = block.fit_without(rows_n, support.counts_C - gone_C)
        yield rows_n, fit.scores(block.x_NhD[rows_n])
