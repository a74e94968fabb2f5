"""Prediction sets that contain the true class with a chosen probability, calibrated on held-out clips.

The score of a clip and class is 1 - p (least ambiguous sets; Sadinle, Lei and Wasserman, JASA 2019). The
threshold is an order statistic of the support clips' scores with their true class.

Guarantee: with probabilities of held-out clips that had no part in fitting (split conformal), the coverage of
    exchangeable clips is at least the requested one, whatever the model, on average over draws. With
    leave-one-out probabilities (the jackknife) the final model was fitted on one clip more than the models
    that scored the clips: coverage is close to the requested one if a single clip changes little, but it is
    not guaranteed and should be measured. Clips from other speakers or recordings than the support are not
    exchangeable with it, and coverage falls short in both cases.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def conformal_threshold(own_p_N: Tensor, coverage: float) -> float:
    """Return the largest score 1 - p that a class in a set may have.

    Args:
        own_p_N: probability of the true class of each calibration clip, leave-one-out or held out.
        coverage: share of clips whose set should contain the true class, in (0, 1).

    Returns:
        The ceil((N + 1)·coverage)-th smallest score; 1 (every class) if there are too few clips.
    """
    if not 0 < coverage < 1:
        raise ValueError(f"Expected argument `coverage` to be between 0 and 1, but got {coverage!r}.")
    scores_N = 1 - own_p_N.to(torch.float64)
    # A little less than the product: rounding must not ask for a clip more than (N + 1)·coverage does.
    rank = math.ceil((len(scores_N) + 1) * coverage - 1e-9)
    return 1.0 if rank > len(scores_N) else float(scores_N.sort().values[rank - 1])


def conformal_sets(p_NC: Tensor, threshold: float) -> Tensor:
    """Return which classes are in each clip's set, (N, C) bool; it always contains the likeliest class."""
    sets_NC = 1 - p_NC.to(torch.float64) <= threshold
    return sets_NC | torch.nn.functional.one_hot(p_NC.argmax(-1), p_NC.shape[-1]).to(torch.bool)
