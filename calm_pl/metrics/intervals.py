"""95 % intervals of fractions and means."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from calm_pl.metrics.student import t_quantile95

Z95 = 1.959963984540054
"""The value that a standard normal variable exceeds with probability 0.025."""


class Interval(NamedTuple):
    """A 95 % interval of a fraction.

    Attributes:
        low: lower end.
        high: upper end.
    """

    low: float
    high: float


def wilson(successes: int, total: int) -> Interval:
    """Compute Wilson's score interval of a share (E. B. Wilson, JASA 1927), which stays inside [0, 1].

    Raises:
        ValueError: `total` is less than 1.
    """
    if total < 1:
        raise ValueError(f"Expected argument `total` to be 1 or more, but got {total}.")
    return _score_ends(successes / total, total, Z95)


def score_interval(mean: float, variance: float, df: float, clusters: int, predictions: int) -> Interval:
    """Compute Wilson's interval of a fraction whose variance is estimated, not derived from a count.

    It assumes the number of independent trials that would give the fraction this variance (E. L. Korn and B.
    I. Graubard, Survey Methodology 1998): at most the number of predictions, and the number of clusters if
    all or no predictions are correct and the variance is therefore 0.

    Args:
        mean: the fraction.
        variance: variance of the fraction; infinite if unknown.
        df: degrees of freedom of the variance.
        clusters: number of independent clusters of clips.
        predictions: number of predictions over all draws.
    """
    if math.isinf(variance):
        return Interval(0.0, 1.0)
    if mean in (0.0, 1.0):
        trials = float(clusters)
    else:
        trials = min(mean * (1 - mean) / variance, predictions) if variance > 0 else float(predictions)
    return _score_ends(mean, trials, t_quantile95(df))


def symmetric_interval(
    mean: float, variance: float, df: float, least: float = -math.inf, most: float = math.inf
) -> Interval:
    """Compute Student's interval around a mean, clipped to the possible range."""
    if math.isinf(variance):
        return Interval(least, most)
    half = t_quantile95(df) * math.sqrt(variance)
    return Interval(max(least, mean - half), min(most, mean + half))


def _score_ends(share: float, trials: float, z: float) -> Interval:
    z2 = z * z
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = z / (1 + z2 / trials) * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials**2))
    # Rounding must not exclude 0 or 1 if nothing or everything succeeded.
    low = max(0.0, centre - half) if share > 0 else 0.0
    return Interval(low, min(1.0, centre + half) if share < 1 else 1.0)


def macro_f1(confusion: np.ndarray) -> np.ndarray:
    """Compute the unweighted mean of F1 over the classes that occur as truth or prediction.

    Args:
        confusion: counts (..., C, C) or (..., C, C + 1) with a last column for questions without a
            prediction; rows are the truth.

    Returns:
        (...) float64.
    """
    hits = np.diagonal(confusion, axis1=-2, axis2=-1).astype(np.float64)
    ends = confusion.sum(-1) + confusion.sum(-2)[..., : hits.shape[-1]]
    f1 = np.divide(2 * hits, ends, out=np.zeros_like(hits), where=ends > 0)
    return f1.sum(-1) / np.maximum((ends > 0).sum(-1), 1)
