"""A Gaussian discriminant analysis of support clips, its shrinkage chosen by leave-one-out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from calm_pl.functional import calibrate_left_out, gda_dual, gda_leave_one_out, gda_weights, most_likely
from calm_pl.voters.gram import Places, class_weights, clip_gram
from calm_pl.voters.support import Support

RHOS = (1.0, 3.0, 0.3, 10.0, 0.1)
"""Shrinkages tried; 1 is the published one (arXiv 2402.04087)."""


class Discriminant(NamedTuple):
    """A linear classifier on unit head vectors, score_c = Σ_h <w_ch, u_h> + b_c; the same on every rank.

    Attributes:
        weights_CHD: float64.
        bias_C: float64.
        rho: the shrinkage that was used.
        left_out_NC: leave-one-out scores of all ranks' clips, in scores' own units, float64; those of clips
            that are alone in their class are from the full fit.
    """

    weights_CHD: Tensor
    bias_C: Tensor
    rho: float
    left_out_NC: Tensor


def fit_discriminant(
    support: Support, places: Places, weights_H: Tensor, rhos: Sequence[float] = RHOS
) -> Discriminant:
    """Fit in the dual; among several ρ the one whose calibrated leave-one-out likelihood is largest.

    Args:
        support: this rank's clips.
        places: from `clip_places`.
        weights_H: how much each head counts in inner products, 0 or more.
        rhos: shrinkages, the first one where no clip can be left out.
    """
    _, heads, dim = support.x_NHD.shape
    dual = gda_dual(clip_gram(support, places, weights_H), places.y_N, len(support.classes), heads * dim)
    left_out = [gda_leave_one_out(dual, rho) for rho in rhos]
    chosen = 0
    if len(rhos) > 1 and bool((dual.counts_C > 1).any()):
        fits = [calibrate_left_out(s_NC, places.y_N, dual.counts_C) for s_NC in left_out]
        chosen = most_likely([fit.log_p_N for fit in fits])
    fit = gda_weights(dual, rhos[chosen])
    weights_CHD = class_weights(support, weights_H, fit.coefficients_NC[places.own])
    return Discriminant(weights_CHD, fit.bias_C, rhos[chosen], left_out[chosen])


def discriminant_scores(u_NHD: Tensor, weights_CHD: Tensor, bias_C: Tensor) -> Tensor:
    """Scores of unit head vectors (N, H, D) float64, (N, C) float64."""
    return torch.einsum("nhd,chd->nc", u_NHD, weights_CHD.to(torch.float64)) + bias_C.to(torch.float64)
