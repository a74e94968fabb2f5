"""Uncertainty of a mean and of the difference of two methods on the same clips: jackknife, McNemar's test."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from calm_pl.metrics.intervals import Interval, symmetric_interval
from calm_pl.metrics.jackknife import Variance, variances
from calm_pl.metrics.student import t_two_sided


class McNemar(NamedTuple):
    """Result of an exact test that two classifiers are wrong equally often on the same clips.

    Attributes:
        only_first: clips that only the first predicted correctly.
        only_second: clips that only the second predicted correctly.
        p_value: two-sided.
    """

    only_first: int
    only_second: int
    p_value: float


def mcnemar(first_N: np.ndarray, second_N: np.ndarray) -> McNemar:
    """Run McNemar's exact (binomial) test on which clips each classifier predicted correctly.

    It treats clips as independent; for clustered clips, use `paired_difference`.

    Args:
        first_N: bool (N,).
        second_N: bool (N,), the same clips.
    """
    first_N, second_N = _same_shape(first_N, second_N)
    only_first = int(np.sum(first_N & ~second_N))
    only_second = int(np.sum(second_N & ~first_N))
    total, least = only_first + only_second, min(only_first, only_second)
    if total == 0:
        return McNemar(0, 0, 1.0)
    # Python's integers: 2^-N underflows past a thousand discordant clips. Each binomial is computed from the
    # last one, since from scratch they took 25 s for 50,000 questions.
    tail = term = 1
    for k in range(least):
        term = term * (total - k) // (k + 1)
        tail += term
    return McNemar(only_first, only_second, min(1.0, float(2 * tail / 2**total)))


class Estimate(NamedTuple):
    """A mean over clips and draws, with its uncertainty.

    Attributes:
        mean: mean over all clips and draws.
        interval: 95 %, for a new sample of clips and new support draws.
        clips: 95 %, for a new sample of clips with the same support draws.
        draws: 95 %, for new support draws with the same clips; the mean itself with one draw.
        p_value: two-sided, of the hypothesis that the mean is 0; below 0.05 if and only if `interval` does
            not contain 0.
    """

    mean: float
    interval: Interval
    clips: Interval
    draws: Interval
    p_value: float


def estimate(values_RN: np.ndarray, cluster_N: np.ndarray | None = None) -> Estimate:
    """Estimate the mean over R support draws and N clips, by the jackknife over clusters.

    Args:
        values_RN: (R, N) value of each draw and clip.
        cluster_N: cluster of each clip; None makes each clip a cluster.

    Raises:
        ValueError: no clip, or shapes that do not fit.
    """
    return _estimated(ClusterSums.of(values_RN, cluster_N), 0)


def paired_difference(
    first_RN: np.ndarray, second_RN: np.ndarray, cluster_N: np.ndarray | None = None
) -> Estimate:
    """Estimate first - second on the same draws and clips; see `estimate` and `difference_of`."""
    first_RN, second_RN = _same_shape(first_RN, second_RN)
    return difference_of(ClusterSums.of(first_RN, cluster_N), ClusterSums.of(second_RN, cluster_N))


class ClusterSums(NamedTuple):
    """Values of one method summed by cluster, which is all that means and differences need.

    Attributes:
        sum_RK: sums by draw and cluster, float64.
        size_K: clips of each cluster.
    """

    sum_RK: np.ndarray
    size_K: np.ndarray

    @classmethod
    def of(cls, values_RN: np.ndarray, cluster_N: np.ndarray | None = None) -> ClusterSums:
        """Sum values; the arguments and errors of `estimate`."""
        values_RN = np.atleast_2d(np.asarray(values_RN, dtype=np.float64))
        clips = values_RN.shape[1]
        cluster_N = np.arange(clips) if cluster_N is None else np.asarray(cluster_N)
        if clips == 0 or cluster_N.shape != (clips,):
            raise ValueError(
                f"Expected values (R, N) and N clusters, N positive, but got {values_RN.shape} and"
                f" {cluster_N.shape}."
            )
        _, place_N = np.unique(cluster_N, return_inverse=True)
        return cls(np.stack([np.bincount(place_N, row) for row in values_RN]), np.bincount(place_N))


def difference_of(first: ClusterSums, second: ClusterSums) -> Estimate:
    """Estimate first - second on the same clusters.

    One imaginary cluster is added, of average size, on which both methods do equally well, so that a
    difference shared by all clusters is not taken as certain. Other intervals barely widen.
    """
    return _estimated(ClusterSums(first.sum_RK - second.sum_RK, first.size_K), 1)


def _estimated(sums: ClusterSums, imagined: int) -> Estimate:
    sum_RK, size_K = sums
    clips = float(size_K.sum())
    point_R = sum_RK.sum(1) / clips
    mean = float(point_R.mean())
    if imagined:
        size_K = np.append(size_K, clips / len(size_K))
        sum_RK = np.pad(sum_RK, ((0, 0), (0, imagined)))
    left_K = np.maximum(size_K.sum() - size_K, 1)  # 0 with one cluster
    found = variances(point_R, [(sum_RK.sum(1, keepdims=True) - sum_RK) / left_K])
    both, over_clips = (symmetric_interval(mean, *part) for part in (found.both, found.clips))
    draws = Interval(mean, mean) if found.draws is None else symmetric_interval(mean, *found.draws)
    return Estimate(mean, both, over_clips, draws, _p_value(mean, found.both))


def _p_value(mean: float, variance: Variance) -> float:
    if mean == 0 or math.isinf(variance.value):
        return 1.0
    t = mean / math.sqrt(variance.value) if variance.value else math.inf
    return t_two_sided(t, variance.df)


def _same_shape(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.asarray(first), np.asarray(second)
    if first.shape != second.shape:
        raise ValueError(
            f"Expected both methods on the same clips, but got shapes {first.shape} and {second.shape}."
        )
    return first, second
