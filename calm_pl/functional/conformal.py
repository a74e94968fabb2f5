"""Prediction sets that hold the true class with a chosen coverage, calibrated on left-out support clips.

The score of a clip and class is 1 - p (least ambiguous sets; Sadinle, Lei and Wasserman, JASA 2019). The
threshold is an order statistic of the scores that support clips have with their true class.

What is guaranteed: with probabilities of held-out clips, which had no part in fitting (split conformal),
coverage of exchangeable clips is at least the one asked for, whatever the model, on average over draws. With
leave-one-out probabilities (the jackknife) the fitted model has seen one clip more than those that judged it:
coverage is close to the one asked for where a clip more or less changes little, and has no guarantee, so it
is to be measured. Clips from other speakers or recordings than the support are not exchangeable with it, and
coverage falls short with either.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def conformal_threshold(own_p_N: Tensor, coverage: float) -> float:
    """The largest score 1 - p that a class in a set may have.

    Args:
        own_p_N: probability of the true class of each calibration clip, leave-one-out or held out.
        coverage: share of clips whose set shall hold the true class, in (0, 1).

    Returns:
        The ceil((N + 1)·coverage)-th smallest score; 1, every class, where there are too few clips for it.
    """
    if not 0 < coverage < 1:
        raise ValueError(f"Expected argument `coverage` to be between 0 and 1, but got {coverage!r}.")
    scores_N = 1 - own_p_N.to(torch.float64)
    # A little less than the product: rounding must not ask for a clip more than (N + 1)·coverage does.
    rank = math.ceil((len(scores_N) + 1) * coverage - 1e-9)
    return 1.0 if rank > len(scores_N) else float(scores_N.sort().values[rank - 1])


def conformal_sets(p_NC: Tensor, threshold: float) -> Tensor:
    """Which classes are in each clip's set, (N, C) bool; never empty: the likeliest class is always in it."""
    sets_NC = 1 - p_NC.to(torch.float64) <= threshold
    return sets_NC | torch.nn.functional.one_hot(p_NC.argmax(-1), p_NC.shape[-1]).to(torch.bool)
