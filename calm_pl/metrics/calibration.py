"""Calibration of probabilities, abstention and prediction sets."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torchmetrics.functional.classification import binary_calibration_error, multiclass_calibration_error


class CalibrationResult(NamedTuple):
    """Calibration of predicted probabilities.

    Attributes:
        ece: expected calibration error, L1, of the winner's probability in 15 bins.
        nll: mean negative log-probability of the true class, in nats.
        brier: mean squared distance to the one-hot truth, summed over classes, in [0, 2].
    """

    ece: float
    nll: float
    brier: float


def calibration_scores(p_NC: Tensor, y_N: Tensor, bins: int = 15) -> CalibrationResult:
    """Compute calibration errors of N clips.

    Args:
        p_NC: probabilities, each row sums to 1.
        y_N: true classes.
        bins: number of bins of the expected calibration error.
    """
    if not len(y_N):
        raise ValueError("Expected at least one clip to measure calibration on, but got none.")
    p_NC = p_NC.to(torch.float32)
    ece = multiclass_calibration_error(p_NC, y_N, num_classes=p_NC.shape[1], n_bins=bins, norm="l1")
    own_N = p_NC.gather(1, y_N[:, None])[:, 0]
    truth_NC = torch.nn.functional.one_hot(y_N, p_NC.shape[1])
    nll = -own_N.clamp(min=torch.finfo(torch.float32).tiny).log().mean()
    return CalibrationResult(float(ece), float(nll), float((p_NC - truth_NC).square().sum(-1).mean()))


def winner_calibration_error(confidence_N: Tensor, right_N: Tensor, bins: int = 15) -> float:
    """Compute the expected calibration error (L1) of predictions.

    Args:
        confidence_N: probability of each prediction.
        right_N: whether each prediction is correct, bool.
        bins: number of bins, of equal width.
    """
    confidence_N = confidence_N.to(torch.float32).contiguous()
    rate = binary_calibration_error(confidence_N, right_N.to(torch.int64), bins, norm="l1")
    return float(rate)


class Abstention(NamedTuple):
    """Results of predicting only if confident.

    Attributes:
        coverage: share of clips with a prediction.
        accuracy: accuracy on those; NaN if there are none.
    """

    coverage: float
    accuracy: float


def abstention(p_NC: Tensor, y_N: Tensor, threshold: float) -> Abstention:
    """Predict only if the predicted class's probability is at least `threshold`."""
    confidence_N, winner_N = p_NC.max(-1)
    kept_N = confidence_N >= threshold
    right_N = (winner_N == y_N)[kept_N].to(torch.float64)
    return Abstention(float(kept_N.to(torch.float64).mean()), float(right_N.mean()))


class SetCoverage(NamedTuple):
    """Coverage and size of prediction sets.

    Attributes:
        coverage: share of clips whose set contains the true class.
        mean_size: mean number of classes per set.
    """

    coverage: float
    mean_size: float


def set_coverage(sets_NC: Tensor, y_N: Tensor) -> SetCoverage:
    """Measure coverage and size of prediction sets (N, C) bool."""
    inside_N = sets_NC.gather(1, y_N[:, None])[:, 0].to(torch.float64)
    return SetCoverage(float(inside_N.mean()), float(sets_NC.sum(-1).to(torch.float64).mean()))
