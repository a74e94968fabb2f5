"""CALM (arXiv 2602.07077): heads vote with posteriors, weighted by their reliability."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, NamedTuple, Self

import torch
from torch import Tensor

from calm_pl.functional import (
    HeadScorer,
    clip_chunks,
    clip_reliability,
    head_weights,
    posterior_votes,
    posteriors,
    shrink,
)
from calm_pl.functional.calibration import best_sharpness, sharpness_sums
from calm_pl.functional.selection import (
    TIE,
    Judged,
    Reliabilities,
    Setting,
    SettingGrid,
    Tally,
    best_setting,
    clearly_better,
    judge_settings,
    setting_scores,
    tally,
)
from calm_pl.voters.base import Decision, ScoreVoter, among
from calm_pl.voters.evidence import EvidenceKind, left_out_scores, reliability_sums
from calm_pl.voters.settings import CalmSettings
from calm_pl.voters.state import Form
from calm_pl.voters.support import ReliabilitySums, Support

_COPIES = 4  # of the settings' weights of each clip
_LEAST_SCORE = 1e-6  # of a held-out clip: the logarithm needs more than 0


def setting_of(params: CalmSettings) -> Setting:
    """Return the parameters that `select` chooses."""
    return Setting(*(vars(params)[name] for name in Setting._fields))


class LeftOut(NamedTuple):
    """Arguments of `setting_scores` for held-out clips."""

    p_NHC: Tensor
    y_N: Tensor
    evidence: Reliabilities
    settings: list[Setting]
    own_m_NH: Tensor


class CalmBase(ScoreVoter, CalmSettings):
    """Base of CALM and CALM-Global: everything except how reliabilities are pooled.

    Parameters are those of `CalmSettings`. With `select="loo"`, `fitted_params_` holds the chosen ones; see
    `calm_pl.functional.selection`. With 3 to 10 clips per class this gained up to 6 points of accuracy on a
    spoofing set and lost up to 2 on ESC-10 (`benchmarks/results/selection.json`); `CalmAuto` is the more
    reliable way to avoid tuning.

    Attributes:
        grid: the settings to try, a `SettingGrid`; the paper's by default.
    """

    grid: SettingGrid = SettingGrid()
    conditional: ClassVar[bool]

    fitted_params_: CalmSettings

    def _fit_heads(self, support: Support, heldout: Support | None) -> None:
        p = self.fitted_params_
        if (p.reliability_split == "heldout") != (heldout is not None):
            given = "got some" if heldout is not None else "got none"
            raise ValueError(
                "Expected `heldout` clips if and only if `reliability_split` is 'heldout', but it is"
                f" {p.reliability_split!r} and `fit` {given}."
            )
        for name in ("select", "sharpness"):
            if heldout is not None and getattr(p, name) == "loo":
                raise ValueError(f"Expected `{name}` not to be 'loo' with held-out clips, but got 'loo'.")
        if p.select == "loo":
            self.fitted_params_ = p = self._select(support)
        if p.sharpness == "loo":
            self.fitted_params_ = dataclasses.replace(p, sharpness=self._sharpness(support))
        self.weigh(self.evidence(support, heldout, p.tau_p))

    def fit_evidence(self, support: Support, sums: ReliabilitySums) -> Self:
        """Fit on a support whose evidence is already summed, so that many settings can share one sum.

        Args:
            support: as for `fit_support`.
            sums: sums of evidence for this voter's `evidence_kind`, `score` and `reliability_split`.
        """
        fresh = self._begun(support)
        fresh.weigh(fresh._rows(sums))
        return self._take(fresh)

    @property
    def evidence_kind(self) -> EvidenceKind:
        """Return the kind of evidence whose mean is the reliability."""
        return EvidenceKind(self.tau_p, self.reliability)

    def weigh(self, evidence: Reliabilities) -> None:
        """Set reliabilities and weights according to the fitted parameters (eqs. 7, 8, 11, 12)."""
        p = self.fitted_params_
        r_RH = shrink(evidence.rows(), evidence.counts_R.clamp(min=1), p.shrinkage).to(torch.float32)
        w_RH = head_weights(r_RH, p.top_k, p.tau_w, p.weight_map, self._live_H)
        self.reliability_, self.weights_ = (r_RH, w_RH) if self.conditional else (r_RH[0], w_RH[0])

    def evidence(self, support: Support, heldout: Support | None, tau_p: float) -> Reliabilities:
        """Return sums of clip reliabilities at one τ_p over all ranks, per class or overall (eqs. 6, 7, 11).

        Args:
            support: the clips that built the centroids; they also judge the heads if `heldout` is None.
            heldout: clips that judge the heads instead.
            tau_p: τ_p of the posteriors.
        """
        p = self.fitted_params_
        kinds = [EvidenceKind(tau_p, p.reliability)]
        sums = reliability_sums(support, heldout, p.score, kinds, p.reliability_split == "loo")[0]
        return self._rows(sums)

    def _select(self, support: Support) -> CalmSettings:
        """Return the best setting by leave-one-out if it is clearly better, else the given one."""
        p = dataclasses.replace(self.fitted_params_, select="none")
        given = setting_of(p)
        if not bool((support.counts_C > 1).any()):
            return p
        groups = [self.grid.settings(tau_p, support.x_NHD.shape[1]) for tau_p in self.grid.tau_p]
        parts: list[list[Judged]] = [[] for _ in [None, *groups]]
        for place, clips in self._left_out_clips(support, [[given], *groups]):
            parts[place].append(judge_settings(*clips))
        ready = [Judged(*(torch.cat(column) for column in zip(*some, strict=True))) for some in parts]
        best: tuple[float, Setting] | None = None
        for settings, judged in zip(groups, ready[1:], strict=True):
            totals = Tally(*(support.all_reduce(total) for total in tally(judged, ready[0].log_p_NS[:, 0])))
            place = best_setting(totals)
            log_p = float(totals.log_p_S[place] / totals.num_clips)
            if best is None or log_p > best[0] + TIE:
                best = (log_p, settings[place] if clearly_better(totals, place) else given)
        assert best is not None
        return dataclasses.replace(p, **best[1]._asdict())

    def _sharpness(self, support: Support) -> float:
        """Return the γ that makes held-out clips likeliest; 1 if no clip can be held out."""
        num_clips = int(support.counts_C[support.counts_C > 1].sum())
        if num_clips == 0:
            return 1.0
        parts = [
            sharpness_sums(setting_scores(*clips)[:, 0].clamp(min=_LEAST_SCORE).log(), clips.y_N)
            for _, clips in self._left_out_clips(support, [[setting_of(self.fitted_params_)]])
        ]
        return best_sharpness(support.all_reduce(torch.stack(parts).sum(0)), num_clips)

    def _left_out_clips(
        self, support: Support, groups: Sequence[list[Setting]]
    ) -> Iterator[tuple[int, LeftOut]]:
        """Yield the inputs of `setting_scores` for this rank's clips that can be held out, chunk by chunk.

        Args:
            support: the clips; they are scored once for all groups.
            groups: settings of one τ_p each. The number of the group is yielded with its inputs.
        """
        p = self.fitted_params_
        kinds = [EvidenceKind(settings[0].tau_p, p.reliability) for settings in groups]
        unlike = list(dict.fromkeys(kinds))
        sums = reliability_sums(support, None, p.score, unlike, p.reliability_split == "loo")
        evidence = {kind: self._rows(one) for kind, one in zip(unlike, sums, strict=True)}
        num_classes, heads, dim = support.centroids_CHD.shape
        scorer = HeadScorer(support.centroids_CHD, p.score)
        most = max(len(settings) for settings in groups)
        per_clip = max(heads * max(most, num_classes, dim), most * num_classes)
        # Even if this rank has no clip, so that there is something to concatenate.
        for chunk in clip_chunks(max(1, len(support.x_NHD)), _COPIES * per_clip):
            part = support._replace(x_NHD=support.vectors(chunk), y_N=support.y_N[chunk])
            full_NHC = scorer(part.x_NHD)
            left_NHC = left_out_scores(part, full_NHC, p.score)
            judgeable_N = support.counts_C[part.y_N] > 1
            y_N = part.y_N[judgeable_N]
            left_NHC, full_NHC = left_NHC[judgeable_N], full_NHC[judgeable_N]
            for place, (kind, settings) in enumerate(zip(kinds, groups, strict=True)):
                p_NHC = posteriors(left_NHC, kind.tau_p)
                own_NHC = p_NHC if p.reliability_split == "loo" else posteriors(full_NHC, kind.tau_p)
                own_m_NH = clip_reliability(own_NHC, y_N, p.reliability)
                yield place, LeftOut(p_NHC, y_N, evidence[kind], settings, own_m_NH)

    def _rows(self, sums: ReliabilitySums) -> Reliabilities:
        """Return the sums as the weights need them: one row per class, or a single row for all."""
        if self.conditional:
            return Reliabilities(sums.sums_CH, sums.counts_C)
        return Reliabilities(sums.sums_CH.sum(0, keepdim=True), sums.counts_C.sum()[None])

    def check_values(self, state: Mapping[str, Tensor]) -> None:
        """Also raise ValueError for settings that a fit should have replaced by its choice."""
        super().check_values(state)
        for name in ("select", "sharpness"):
            if vars(self)[name] == "loo":
                raise ValueError(f"`{name}` must hold the fit's choice, but is 'loo'")

    def decide_vectors(self, x_NHD: Tensor, candidates_NC: Tensor | None = None) -> Decision:
        """Return weighted posteriors (eqs. 9, 13); equal scores go to the lower class index (eq. 10)."""
        settings = [(self.fitted_params_.tau_p, self.weights_[None])]
        (votes_N1C,) = posterior_votes(x_NHD, self.scorer(), settings, candidates_NC)
        scores_NC = votes_N1C[:, 0].to(torch.float32)
        return among(Decision(scores_NC, scores_NC.argmax(-1)), candidates_NC)

    def probabilities(self, scores_NC: Tensor) -> Tensor:
        """Return normalised score^γ; with γ = 1 this is a convex mix of posteriors for CALM-Global."""
        # In float64: a few heads that contradict each other leave scores too small for a float32 division.
        scores_NC = scores_NC.to(torch.float64)
        top_N1 = scores_NC.amax(-1, keepdim=True)
        # The largest first becomes 1: score^γ itself underflows.
        shares_NC = torch.where(top_N1 > 0, scores_NC / top_N1, torch.ones_like(scores_NC))
        shares_NC = shares_NC.pow(float(self.fitted_params_.sharpness))
        return (shares_NC / shares_NC.sum(-1, keepdim=True)).to(torch.float32)


class CalmGlobal(CalmBase):
    """CALM-Global: one reliability per head, over all classes (eqs. 6-10). Parameters: `CalmSettings`.

    Attributes:
        reliability_: (H,) float32 (eq. 7).
        weights_: (H,) float32 (eq. 8).
    """

    conditional = False


class Calm(CalmBase):
    """CALM: one reliability per head and class (eqs. 6, 11-13). Parameters: `CalmSettings`.

    A class without a clip to judge the heads (its only clip is held out, or it has no held-out clip) uses the
    overall reliabilities, and counts as one clip in shrinkage.

    Attributes:
        reliability_: (C, H) float32 (eq. 11).
        weights_: (C, H) float32 (eq. 12).
    """

    conditional = True
    fitted_forms: ClassVar[Mapping[str, Form]] = {"reliability_": Form("CH"), "weights_": Form("CH")}
