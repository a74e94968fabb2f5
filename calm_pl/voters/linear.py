"""Linear classifiers from the inner products of support clips, judged on held-out clips and averaged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from calm_pl.functional import (
    FoldedClips,
    calibrate_left_out,
    centred,
    gda_dual,
    gda_left_out,
    gda_weights,
    logistic_fits,
    logistic_left_out,
)
from calm_pl.functional.calibration import Calibration
from calm_pl.voters.gram import Places, class_weights
from calm_pl.voters.support import Support

RHOS = (1.0, 0.03, 0.1, 0.3, 3.0, 10.0, 30.0, 100.0)
"""Shrinkages averaged; 1 is the published one (arXiv 2402.04087)."""
LOGISTIC_SHOTS = 10
LOGISTIC_CLIPS = (100, 1_000)
"""Logistic regression is used up to this many clips per class, but always up to the first number of clips in
total and never beyond the second: with more it made no difference, and its fits without each fold are the
only part without a closed form."""


class Candidate(NamedTuple):
    """A classifier that is linear in inner products with the support clips.

    Attributes:
        coefficients_NC: class weights are Σ_n coefficients[n, c]·x_n, float64.
        bias_C: float64.
        calibration: on held-out clips.
        left_out_NC: centred scores of held-out clips, times the gain.
    """

    coefficients_NC: Tensor
    bias_C: Tensor
    calibration: Calibration
    left_out_NC: Tensor


class LinearClassifier(NamedTuple):
    """score_c = Σ_h <w_ch, u_h> + b_c on unit head vectors u; identical on every rank.

    Attributes:
        weights_CHD: float64.
        bias_C: float64.
    """

    weights_CHD: Tensor
    bias_C: Tensor


def _candidate(coefficients_NC: Tensor, bias_C: Tensor, left_out_NC: Tensor, clips: FoldedClips) -> Candidate:
    calibration = calibrate_left_out(left_out_NC, clips)
    return Candidate(coefficients_NC, bias_C, calibration, calibration.gain * centred(left_out_NC))


def discriminants(
    gram_NN: Tensor, clips: FoldedClips, num_classes: int, num_features: int, rhos: Sequence[float] = RHOS
) -> list[Candidate]:
    """Return Gaussian discriminant analyses, one per ρ, from a single decomposition in the dual.

    Args:
        gram_NN: inner products of the clips.
        clips: the clips with their folds.
        num_classes: C.
        num_features: F.
        rhos: shrinkages; only the first is used if no clip can be held out.
    """
    dual = gda_dual(gram_NN, clips.y_N, num_classes, num_features)
    found = []
    used = rhos if clips.num_folds else rhos[:1]
    for rho, left_out_NC in zip(used, gda_left_out(dual, used, clips.fold_N), strict=True):
        fit = gda_weights(dual, rho)
        found.append(_candidate(fit.coefficients_NC, fit.bias_C, left_out_NC, clips))
    return found


def logistic_regressions(
    gram_NN: Tensor, clips: FoldedClips, num_classes: int, num_features: int
) -> list[Candidate]:
    """Return logistic regression, or nothing if there are more clips than it is used for.

    Features are scaled to mean square 1, as in `Comparison`. Arguments as for `discriminants`.
    """
    total = len(clips.y_N)
    always, never = LOGISTIC_CLIPS
    if total > min(never, max(always, LOGISTIC_SHOTS * num_classes)):
        return []
    scale = num_features * total / gram_NN.diagonal().sum().clamp(min=1e-30)
    gram_NN = scale * gram_NN
    without_FN = clips.fold_N != torch.arange(clips.num_folds, device=clips.fold_N.device)[:, None]
    used_BN = torch.cat([torch.ones_like(clips.can_N)[None], without_FN])
    fits = logistic_fits(gram_NN, clips.y_N, num_classes, used_BN)
    left_out_NC = logistic_left_out(gram_NN, fits, clips.fold_N)
    return [_candidate(scale * fits.coefficients_BNC[0], fits.bias_BC[0], left_out_NC, clips)]


def mean_classifier(
    support: Support,
    places: Places,
    weights_H: Tensor,
    candidates: Sequence[Candidate],
    shares_K: Tensor,
) -> LinearClassifier:
    """Return the classifier Σ_k share·gain·scores: a mean of linear classifiers is linear.

    Args:
        support: this rank's clips.
        places: from `clip_places`.
        weights_H: head weights of the Gram matrix from which the candidates were fitted.
        candidates: K of them.
        shares_K: the weight of each.
    """
    coefficients_NC = torch.zeros_like(candidates[0].coefficients_NC)
    bias_C = torch.zeros_like(candidates[0].bias_C)
    for share, one in zip(shares_K.tolist(), candidates, strict=True):
        coefficients_NC += share * one.calibration.gain * one.coefficients_NC
        bias_C += share * one.calibration.gain * one.bias_C
    return LinearClassifier(class_weights(support, weights_H, coefficients_NC[places.own]), bias_C)


def linear_scores(u_NHD: Tensor, weights_CHD: Tensor, bias_C: Tensor) -> Tensor:
    """Return scores (N, C) float64 of unit head vectors (N, H, D) float64."""
    return torch.einsum("nhd,chd->nc", u_NHD, weights_CHD.to(torch.float64)) + bias_C.to(torch.float64)
