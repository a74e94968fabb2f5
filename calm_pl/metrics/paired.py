"""Uncertainty of one method and of the difference of two on the same clips: bootstrap and McNemar's test.

Clips of one recording, speaker or voice are not independent: they are drawn together, as a cluster. Support
draws are a second source of chance, and the two are told apart.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from calm_pl.metrics.intervals import Interval


class McNemar(NamedTuple):
    """Exact test that two classifiers are wrong equally often on the same clips.

    Attributes:
        only_first: clips that only the first got right.
        only_second: clips that only the second got right.
        p_value: two-sided.
    """

    only_first: int
    only_second: int
    p_value: float


def mcnemar(first_N: np.ndarray, second_N: np.ndarray) -> McNemar:
    """McNemar's test, exact (binomial), on which clips each classifier got right.

    It takes clips for independent: for clustered clips the paired bootstrap is the one to go by.

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
    # Python's integers: 2^-N underflows past a thousand discordant clips.
    tail = sum(math.comb(total, k) for k in range(least + 1))
    return McNemar(only_first, only_second, min(1.0, float(2 * tail / 2**total)))


class Estimate(NamedTuple):
    """A mean over clips and draws, with its uncertainty.

    Attributes:
        mean: over all.
        interval: 95 %, over clusters of clips and over support draws together.
        clips: 95 %, had other clips been evaluated; the draws are those they are.
        draws: 95 %, had other support been drawn; the clips are those they are.
    """

    mean: float
    interval: Interval
    clips: Interval
    draws: Interval


def estimate(
    values_RN: np.ndarray, cluster_N: np.ndarray | None = None, resamples: int = 2000, seed: int = 0
) -> Estimate:
    """Percentile bootstrap of a mean over R support draws and N clips.

    Accuracy is the mean of which clips were right; the difference of two methods is the mean of their
    difference on the same clips and draws (paired), and holds where its interval does not contain 0.

    Args:
        values_RN: (R, N) value of each draw and clip.
        cluster_N: cluster of each clip; each clip alone where None.
        resamples: bootstrap samples.
        seed: of the resampling.

    Raises:
        ValueError: no clip, or shapes that do not fit.
    """
    values_RN = np.atleast_2d(np.asarray(values_RN, dtype=np.float64))
    draws, clips = values_RN.shape
    cluster_N = np.arange(clips) if cluster_N is None else np.asarray(cluster_N)
    if clips == 0 or cluster_N.shape != (clips,):
        raise ValueError(
            f"Expected values (R, N) and N clusters, N positive, but got {values_RN.shape} and"
            f" {cluster_N.shape}."
        )
    _, place_N = np.unique(cluster_N, return_inverse=True)
    clusters = int(place_N.max()) + 1
    sums_RK = np.stack([np.bincount(place_N, row, clusters) for row in values_RN])
    size_K = np.bincount(place_N, minlength=clusters).astype(np.float64)
    rng = np.random.default_rng(seed)
    # How often each draw and each cluster comes in each bootstrap sample.
    draw_BR = rng.multinomial(draws, np.full(draws, 1 / draws), size=resamples)
    cluster_BK = rng.multinomial(clusters, np.full(clusters, 1 / clusters), size=resamples)
    size_B = cluster_BK @ size_K
    both_B = np.einsum("bk,bk->b", draw_BR @ sums_RK, cluster_BK) / (size_B * draws)
    clips_B = (cluster_BK @ sums_RK.sum(0)) / (size_B * draws)
    draws_B = (draw_BR @ sums_RK.sum(1)) / (clips * draws)
    return Estimate(
        float(values_RN.mean()), *(_middle95(values_B) for values_B in (both_B, clips_B, draws_B))
    )


def paired_difference(
    first_RN: np.ndarray,
    second_RN: np.ndarray,
    cluster_N: np.ndarray | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> Estimate:
    """`estimate` of first - second on the same draws and clips."""
    first_RN, second_RN = _same_shape(first_RN, second_RN)
    difference_RN = first_RN.astype(np.float64) - second_RN.astype(np.float64)
    return estimate(difference_RN, cluster_N, resamples, seed)


def _middle95(values_B: np.ndarray) -> Interval:
    low, high = np.quantile(values_B, [0.025, 0.975])
    return Interval(float(low), float(high))


def _same_shape(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.asarray(first), np.asarray(second)
    if first.shape != second.shape:
        raise ValueError(
            f"Expected both methods on the same clips, but got shapes {first.shape} and {second.shape}."
        )
    return first, second
