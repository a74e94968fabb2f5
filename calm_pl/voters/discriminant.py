"""Gaussian discriminant analyses of support clips, one a shrinkage, judged by leave-one-out and averaged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from calm_pl.functional import (
    calibrate_left_out,
    centred,
    gda_dual,
    gda_leave_one_out,
    gda_weights,
)
from calm_pl.functional.calibration import Calibration
from calm_pl.functional.gda import GdaDual
from calm_pl.voters.gram import Places, class_weights, clip_gram
from calm_pl.voters.support import Support

RHOS = (1.0, 3.0, 0.3, 10.0, 0.1)
"""Shrinkages averaged; 1 is the published one (arXiv 2402.04087)."""


class Discriminant(NamedTuple):
    """A linear classifier on unit head vectors, score_c = Σ_h <w_ch, u_h> + b_c; the same on every rank.

    Attributes:
        weights_CHD: float64.
        bias_C: float64.
    """

    weights_CHD: Tensor
    bias_C: Tensor


class Judged(NamedTuple):
    """Discriminant analyses of one support, a shrinkage each, and what they say of clips left out.

    Attributes:
        dual: what they share.
        rhos: R shrinkages.
        calibrations: of each, in the order of `rhos`.
        left_out: leave-one-out scores of all ranks' clips, times their gain, (N, C) float64 each; those of
            clips that are alone in their class are from the full fit.
    """

    dual: GdaDual
    rhos: Sequence[float]
    calibrations: list[Calibration]
    left_out: list[Tensor]


def judge_discriminants(
    support: Support, places: Places, weights_H: Tensor, rhos: Sequence[float] = RHOS
) -> Judged:
    """Decompose once, in the dual, and leave every clip out at each ρ.

    Args:
        support: this rank's clips.
        places: from `clip_places`.
        weights_H: how much each head counts in inner products, 0 or more.
        rhos: shrinkages; only the first where no clip can be left out.
    """
    _, heads, dim = support.x_NHD.shape
    dual = gda_dual(clip_gram(support, places, weights_H), places.y_N, len(support.classes), heads * dim)
    rhos = rhos if bool((dual.counts_C > 1).any()) else rhos[:1]
    scores = [gda_leave_one_out(dual, rho) for rho in rhos]
    fits = [calibrate_left_out(s_NC, places.y_N, dual.counts_C) for s_NC in scores]
    left_out = [fit.gain * centred(s_NC) for fit, s_NC in zip(fits, scores, strict=True)]
    return Judged(dual, rhos, fits, left_out)


def mean_discriminant(
    support: Support, places: Places, weights_H: Tensor, judged: Judged, shares_R: Tensor
) -> Discriminant:
    """The classifier Σ_ρ share·gain·scores: a mean of linear classifiers is one.

    Args:
        support: this rank's clips.
        places: from `clip_places`.
        weights_H: as `judged` was made with.
        judged: from `judge_discriminants`.
        shares_R: how much each ρ counts.
    """
    coefficients_NC = torch.zeros_like(judged.left_out[0])
    bias_C = torch.zeros_like(coefficients_NC[0])
    for share, rho, calibration in zip(shares_R.tolist(), judged.rhos, judged.calibrations, strict=True):
        one = gda_weights(judged.dual, rho)
        coefficients_NC += share * calibration.gain * one.coefficients_NC
        bias_C += share * calibration.gain * one.bias_C
    return Discriminant(class_weights(support, weights_H, coefficients_NC[places.own]), bias_C)


def discriminant_scores(u_NHD: Tensor, weights_CHD: Tensor, bias_C: Tensor) -> Tensor:
    """Scores of unit head vectors (N, H, D) float64, (N, C) float64."""
    return torch.einsum("nhd,chd->nc", u_NHD, weights_CHD.to(torch.float64)) + bias_C.to(torch.float64)
