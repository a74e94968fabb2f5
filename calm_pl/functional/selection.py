"""Selection of hyper-parameters on the support clips: each setting of a grid is evaluated by leave-one-out.

The criterion is the likelihood of the true classes. Accuracy, with likelihood for ties, was tried instead and
selected worse: among hundreds of settings and with a few dozen clips many are equally accurate by chance.

A clip is scored against centroids without it, with weights whose reliabilities for its own class (or over all
classes, if they are global) exclude its own margin. Two things still include the clip: the margins of the
other clips, whose centroids it is part of, and the mean that `shrinkage` pulls towards. So each τ_p needs one
pass and no refit.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import torch
from torch import Tensor

from calm_pl.functional.reliability import shrink
from calm_pl.functional.votes import weighted_votes

TIE = 1e-9
"""Mean log-probabilities closer than this are equal: the last bits of sums follow order and ranks."""
_LEAST_P = 1e-12


class Setting(NamedTuple):
    """Hyper-parameters that are selected together; see `head_weights` and `shrink`."""

    tau_p: float
    tau_w: float
    top_k: int | None
    weight_map: str
    shrinkage: float


class SettingGrid(NamedTuple):
    """Values to try in all combinations; ties: the first. The defaults are the paper's grid."""

    tau_p: tuple[float, ...] = (0.03, 0.1, 0.001, 1.0, 2.0)
    tau_w: tuple[float, ...] = (0.5, 0.1, 0.03, 0.001, 1.0, 2.0)
    top_k: tuple[int | None, ...] = (None, 500, 300, 100, 40, 20, 10, 5)
    weight_map: tuple[str, ...] = ("softmax", "power")
    shrinkage: tuple[float, ...] = (0.0, 5.0)

    def settings(self, tau_p: float, num_heads: int) -> list[Setting]:
        """Return all settings of one τ_p; a k of H or more heads is the same as all."""
        ks = [k for k in self.top_k if k is None or k < num_heads]
        rest = itertools.product(self.shrinkage, self.weight_map, self.tau_w, ks or [None])
        return [Setting(tau_p, tau_w, k, weight_map, alpha) for alpha, weight_map, tau_w, k in rest]


class Judged(NamedTuple):
    """Results of S settings on N clips.

    Attributes:
        right_NS: whether the clip was classified correctly, bool.
        log_p_NS: log-probability of the true class, scores divided by their sum, float64.
    """

    right_NS: Tensor
    log_p_NS: Tensor


class Tally(NamedTuple):
    """Results of S settings, as sums over clips that ranks add up; all float64.

    Attributes:
        hits_S: clips that were classified correctly.
        log_p_S: log-probabilities of the true class.
        gain_S: differences between these and those of the configured setting.
        gain2_S: their squares.
        num_clips: clips evaluated, (1,).
    """

    hits_S: Tensor
    log_p_S: Tensor
    gain_S: Tensor
    gain2_S: Tensor
    num_clips: Tensor


def tally(judged: Judged, given_log_p_N: Tensor) -> Tally:
    """Sum results over clips.

    Args:
        judged: results of the settings.
        given_log_p_N: the clips' log-probabilities with the configured setting.
    """
    gain_NS = judged.log_p_NS - given_log_p_N[:, None]
    hits_S = judged.right_NS.sum(0).to(torch.float64)
    count = torch.tensor([len(gain_NS)], dtype=torch.float64, device=gain_NS.device)
    return Tally(hits_S, judged.log_p_NS.sum(0), gain_NS.sum(0), gain_NS.square().sum(0), count)


class Reliabilities(NamedTuple):
    """Evidence of one τ_p, from which every setting's weights follow.

    Attributes:
        sums_RH: its sums over clips, one row per class, or a single row for all; float64.
        counts_R: clips in each row; a row without clips uses the mean over all.
    """

    sums_RH: Tensor
    counts_R: Tensor

    def rows(self) -> Tensor:
        """Return the mean evidence, (R, H)."""
        overall_1H = self.sums_RH.sum(0, keepdim=True) / self.counts_R.sum().clamp(min=1)
        means_RH = self.sums_RH / self.counts_R.clamp(min=1)[:, None]
        return torch.where(self.counts_R[:, None] > 0, means_RH, overall_1H)

    def without(self, m_NH: Tensor, row_N: Tensor) -> Tensor:
        """Return each clip's row without its own evidence, (N, H); the mean over all if nothing is left."""
        rest_N1 = (self.counts_R[row_N] - 1)[:, None]
        own_NH = (self.sums_RH[row_N] - m_NH) / rest_N1.clamp(min=1)
        overall_NH = (self.sums_RH.sum(0) - m_NH) / (self.counts_R.sum() - 1).clamp(min=1)
        return torch.where(rest_N1 > 0, own_NH, overall_NH)


def judge_settings(
    p_NHC: Tensor,
    y_N: Tensor,
    evidence: Reliabilities,
    settings: list[Setting],
    own_m_NH: Tensor | None = None,
) -> Judged:
    """Evaluate settings of one τ_p on clips; arguments as in `setting_scores`."""
    scores_NSC = setting_scores(p_NHC, y_N, evidence, settings, own_m_NH)
    # Winners as voters find them, among float32 scores.
    right_NS = scores_NSC.to(torch.float32).argmax(-1) == y_N[:, None]
    own_NS = scores_NSC.gather(-1, y_N[:, None, None].expand(-1, len(settings), 1))[..., 0]
    shares_NS = own_NS / scores_NSC.sum(-1).clamp(min=torch.finfo(torch.float64).tiny)
    return Judged(right_NS, shares_NS.clamp(min=_LEAST_P).log())


def setting_scores(
    p_NHC: Tensor,
    y_N: Tensor,
    evidence: Reliabilities,
    settings: list[Setting],
    own_m_NH: Tensor | None = None,
) -> Tensor:
    """Score clips with each setting of one τ_p, (N, S, C) float64.

    Args:
        p_NHC: the clips' posteriors at that τ_p.
        y_N: their classes.
        evidence: of the support clips, a single row or one per class.
        settings: S settings.
        own_m_NH: for support clips, their own evidence, to be subtracted from their row; None for clips that
            are not part of `evidence`.
    """
    p_NHC = p_NHC.to(torch.float64)
    rows_RH, conditional = evidence.rows(), len(evidence.counts_R) > 1
    row_N = y_N if conditional else torch.zeros_like(y_N)
    scores = []
    for alpha, group in itertools.groupby(settings, key=lambda setting: setting.shrinkage):
        some = list(group)
        if own_m_NH is None or conditional:
            shrunk_RH = shrink(rows_RH, evidence.counts_R.clamp(min=1), alpha)
            shared_RSH = _weights(shrunk_RH, some)
            scores_NSC = weighted_votes(p_NHC, shared_RSH.transpose(0, 1) if conditional else shared_RSH[0])
        if own_m_NH is not None:
            left_NH = evidence.without(own_m_NH.to(torch.float64), row_N)
            counts_N = (evidence.counts_R[row_N] - 1).clamp(min=1)
            w_NSH = _weights(_shrink_towards(left_NH, counts_N, alpha, rows_RH.mean()), some)
            if conditional:
                index_N11 = y_N[:, None, None]
                own_NH1 = p_NHC.gather(-1, index_N11.expand(-1, p_NHC.shape[1], 1))
                index_NS1 = index_N11.expand(-1, len(some), 1)
                scores_NSC = scores_NSC.scatter(-1, index_NS1, torch.bmm(w_NSH, own_NH1))
            else:
                scores_NSC = torch.bmm(w_NSH, p_NHC)
        scores.append(scores_NSC)
    return torch.cat(scores, 1)


def best_setting(totals: Tally) -> int:
    """Return the index of the likeliest setting; ties: the one with most hits, then the first."""
    mean_S = totals.log_p_S / totals.num_clips
    leads_S = mean_S >= mean_S.max() - TIE
    hits_S = torch.where(leads_S, totals.hits_S, -torch.ones_like(totals.hits_S))
    return int((hits_S == hits_S.max()).to(torch.uint8).argmax())


def clearly_better(totals: Tally, place: int) -> bool:
    """Return whether a setting is likelier than the configured one by more than a standard error.

    The best of hundreds of settings is better than any given one by chance alone.
    """
    count = float(totals.num_clips)
    mean = float(totals.gain_S[place]) / count
    variance = max(0.0, float(totals.gain2_S[place]) / count - mean**2)
    return mean > (variance / count) ** 0.5 + TIE


def _shrink_towards(r_NH: Tensor, counts_N: Tensor, alpha: float, mean: Tensor) -> Tensor:
    """Shrink towards a given mean; see `shrink`."""
    return (r_NH * counts_N[:, None] + mean * alpha) / (counts_N[:, None] + alpha)


def _weights(r_RH: Tensor, settings: list[Setting]) -> Tensor:
    """Compute `head_weights` of every setting, (R, S, H) float64, with a single sort."""
    order_RH = torch.sort(r_RH.to(torch.float32), dim=-1, descending=True, stable=True).indices
    rank_RH = torch.empty_like(order_RH).scatter_(
        -1, order_RH, torch.arange(r_RH.shape[-1], device=r_RH.device).expand_as(order_RH)
    )
    maps: dict[tuple[str, float], Tensor] = {}
    kept = {k: rank_RH < k for k in dict.fromkeys(one.top_k for one in settings) if k is not None}
    w_RSH = torch.empty(len(r_RH), len(settings), r_RH.shape[1], dtype=torch.float64, device=r_RH.device)
    for place, setting in enumerate(settings):
        key = (setting.weight_map, setting.tau_w)
        if key not in maps:
            logits_RH = r_RH if setting.weight_map == "softmax" else r_RH.clamp(min=0).log()
            top_R1 = logits_RH.amax(-1, keepdim=True)
            relative_RH = torch.where(top_R1 == -torch.inf, torch.zeros_like(r_RH), logits_RH - top_R1)
            maps[key] = (relative_RH / setting.tau_w).exp()
        w_RH = maps[key]
        if setting.top_k is not None:
            w_RH = w_RH * kept[setting.top_k]
        torch.div(w_RH, w_RH.sum(-1, keepdim=True), out=w_RSH[:, place])
    return w_RSH
