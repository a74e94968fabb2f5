"""Uncertainty of one method and of the difference of two on the same clips: bootstrap and McNemar's test.

Clips of one recording, speaker or voice are not independent: they are drawn together, as a cluster. Support
draws are a second source of chance, and the two are told apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from calm_pl.metrics.intervals import Interval, middle95

_SAMPLES_AT_ONCE = 200


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
    """Run McNemar's exact (binomial) test on which clips each classifier predicted correctly.

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
    # Python's integers: 2^-N underflows past a thousand discordant clips. Each binomial follows from the last
    # one, since from scratch they took 25 s for 50,000 questions.
    tail = term = 1
    for k in range(least):
        term = term * (total - k) // (k + 1)
        tail += term
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
    """Estimate the mean over R support draws and N clips by percentile bootstrap.

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
    (means,) = resampled_means([values_RN], cluster_N, resamples, seed)
    return Estimate(float(values_RN.mean()), *map(middle95, means))


class ResampledMeans(NamedTuple):
    """Means of one kind of value in B bootstrap samples, each (B,).

    Attributes:
        both_B: of clusters of clips and of draws.
        clips_B: of clusters alone.
        draws_B: of draws alone.
    """

    both_B: np.ndarray
    clips_B: np.ndarray
    draws_B: np.ndarray


def resampled_means(
    values: Sequence[np.ndarray],
    cluster_N: np.ndarray | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> list[ResampledMeans]:
    """Compute means of several kinds of values in the same bootstrap samples, drawn once for all.

    Means are linear, so differences of two kinds need no samples of their own.

    Args:
        values: (R, N) float64 arrays of one shape; the rest as for `estimate`.
        cluster_N: cluster of each clip; each clip alone where None.
        resamples: bootstrap samples.
        seed: of the resampling.

    Raises:
        ValueError: no clip, or shapes that do not fit.
    """
    draws, clips = values[0].shape
    cluster_N = np.arange(clips) if cluster_N is None else np.asarray(cluster_N)
    if clips == 0 or cluster_N.shape != (clips,):
        raise ValueError(
            f"Expected values (R, N) and N clusters, N positive, but got {values[0].shape} and"
            f" {cluster_N.shape}."
        )
    _, place_N = np.unique(cluster_N, return_inverse=True)
    clusters = int(place_N.max()) + 1
    sums = [np.stack([np.bincount(place_N, row, clusters) for row in value_RN]) for value_RN in values]
    size_K = np.bincount(place_N, minlength=clusters).astype(np.float64)
    rng = np.random.default_rng(seed)
    # How often each draw and each cluster comes in each bootstrap sample.
    draw_BR = rng.multinomial(draws, np.full(draws, 1 / draws), size=resamples)
    blocks: list[list[ResampledMeans]] = [[] for _ in values]
    for start in range(0, resamples, _SAMPLES_AT_ONCE):
        some_bR = draw_BR[start : start + _SAMPLES_AT_ONCE]
        drawn_bK = rng.multinomial(clusters, np.full(clusters, 1 / clusters), size=len(some_bR))
        cluster_bK = drawn_bK.astype(np.float64)
        size_b = cluster_bK @ size_K
        for found, sums_RK in zip(blocks, sums, strict=True):
            both_b = np.einsum("bk,bk->b", some_bR @ sums_RK, cluster_bK) / (size_b * draws)
            clips_b = (cluster_bK @ sums_RK.sum(0)) / (size_b * draws)
            draws_b = (some_bR @ sums_RK.sum(1)) / (clips * draws)
            found.append(ResampledMeans(both_b, clips_b, draws_b))
    return [ResampledMeans(*map(np.concatenate, zip(*found, strict=True))) for found in blocks]


def paired_difference(
    first_RN: np.ndarray,
    second_RN: np.ndarray,
    cluster_N: np.ndarray | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> Estimate:
    """Estimate first - second on the same draws and clips; see `estimate`."""
    first_RN, second_RN = _same_shape(first_RN, second_RN)
    difference_RN = first_RN.astype(np.float64) - second_RN.astype(np.float64)
    return estimate(difference_RN, cluster_N, resamples, seed)


def _same_shape(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.asarray(first), np.asarray(second)
    if first.shape != second.shape:
        raise ValueError(
            f"Expected both methods on the same clips, but got shapes {first.shape} and {second.shape}."
        )
    return first, second
