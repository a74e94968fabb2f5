"""95 % intervals of metrics of scores: equal error rate, mean average precision, calibration error.

As in `jackknife`, what varies is the cluster of clips and the support draw. How each cluster pulls a metric
is computed from its clips' shares in it, rather than by computing the metric again without the cluster.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from calm_pl.metrics.intervals import Interval, score_interval, symmetric_interval
from calm_pl.metrics.jackknife import Chance, Variance, Variances, variances


def eer_chance(
    score_QD: np.ndarray, positive_Q: np.ndarray, fold_Q: np.ndarray, cluster_Q: np.ndarray
) -> Chance:
    """Return the intervals of the equal error rate, a mean over folds and draws.

    Where the rates of misses and of false alarms cross, a change of either moves the point at which they are
    equal; how much each counts depends on how dense the scores of both classes are there, which is estimated
    by Gaussian kernels. Degrees of freedom are those of the class with fewer clusters.

    Args:
        score_QD: scores of the positive class by question and draw.
        positive_Q: whether the clip is of the positive class, bool.
        fold_Q: the fold of each question.
        cluster_Q: the cluster of each question.
    """
    points, without, fewest = [], [], []
    for fold in np.unique(fold_Q):
        rows = fold_Q == fold
        truth_q, score_qD = positive_Q[rows], score_QD[rows]
        if truth_q.all() or not truth_q.any():
            return _unknown(score_QD.shape[1])
        cluster_q = np.unique(cluster_Q[rows], return_inverse=True)[1]
        thresholds = [_equal_error(score_q, truth_q) for score_q in score_qD.T]
        point_D = np.array([rate for _, rate in thresholds])
        moved_DK = np.zeros((len(point_D), cluster_q.max() + 1))
        for d, (threshold, _) in enumerate(thresholds):
            wrong_q = (score_qD[:, d] < threshold) == truth_q
            dense = [_density(score_qD[truth_q == one, d], threshold) for one in (True, False)]
            for positive, other in ((True, dense[1]), (False, dense[0])):
                some_q = truth_q == positive
                share = other / sum(dense) if sum(dense) > 0 else 0.5
                moved_DK[d] += share * _moved(wrong_q[some_q], cluster_q[some_q], moved_DK.shape[1])
        points.append(point_D)
        without.append(point_D[:, None] + moved_DK)
        fewest.append(min(len(np.unique(cluster_q[truth_q == one])) for one in (True, False)))
    point_D = np.mean(points, axis=0)
    of = variances(point_D, without)
    df = max(1, sum(fewest) - len(fewest))
    both, clips = (one._replace(df=min(one.df, df)) for one in (of.both, of.clips))
    return _score_chance(point_D, Variances(both, clips, of.draws), sum(fewest), score_QD.size)


def precision_chance(points_FD: np.ndarray, without: Sequence[np.ndarray], clips: int) -> Chance:
    """Return the intervals of mean average precision, a mean over folds and draws.

    With few clips of a class average precision lies off that of endless clips, and draws do not average that
    away: the interval is extended by the jackknife's estimate of this bias.

    Args:
        points_FD: the metric by fold and draw.
        without: for each fold, the metric of each draw without each cluster, (D, K).
        clips: number of clips over all folds.
    """
    if not np.isfinite(points_FD).all() or any(not np.isfinite(one).all() for one in without):
        return _unknown(points_FD.shape[1])
    point_D = points_FD.mean(0)
    clusters = sum(one.shape[1] for one in without)
    chance = _score_chance(point_D, variances(point_D, list(without)), clusters, clips * len(point_D))
    bias = sum(
        (one.shape[1] - 1) * float((one.mean(1) - points_D).mean()) / len(without)
        for one, points_D in zip(without, points_FD, strict=True)
    )
    both, inside = (
        Interval(max(0.0, one.low - max(bias, 0.0)), min(1.0, one.high + max(-bias, 0.0)))
        for one in (chance.both, chance.clips)
    )
    return _rounded(Chance(both, inside, chance.draws))


def calibration_chance(
    confidence_QD: np.ndarray, right_QD: np.ndarray, cluster_Q: np.ndarray, bins: int = 15
) -> Chance:
    """Return the intervals of the expected calibration error over all questions and draws.

    The error is a sum of absolute values, which chance alone makes larger: with few clips a calibrated method
    has one above 0. The lower end is therefore lowered by what chance adds at most.

    Args:
        confidence_QD: probability of each prediction.
        right_QD: whether it is correct, bool.
        cluster_Q: the cluster of each question.
        bins: number of bins, of equal width, as for the metric.
    """
    place_Q = np.unique(cluster_Q, return_inverse=True)[1]
    clusters = int(place_Q.max()) + 1
    bin_QD = np.clip(np.ceil(confidence_QD * bins).astype(int) - 1, 0, bins - 1)
    gap_QD = confidence_QD - right_QD
    gap_B = np.bincount(bin_QD.ravel(), gap_QD.ravel(), bins)
    sign_B = np.where(gap_B >= 0, 1.0, -1.0)
    signed_QD = sign_B[bin_QD] * gap_QD
    point_D = signed_QD.mean(0)
    moved_DK = np.stack([_moved(signed_Q, place_Q, clusters) for signed_Q in signed_QD.T])
    of = variances(point_D, [point_D[:, None] + moved_DK])
    # How far chance moves the mean gap of each bin, by its sums over clusters; E|N(0, s²)| = s·√(2/π).
    excess = 0.0
    for b in range(bins):
        by_cluster_K = np.bincount(place_Q, np.where(bin_QD == b, gap_QD, 0.0).sum(1), clusters)
        variance = float(by_cluster_K.var()) * clusters / confidence_QD.size**2
        excess += math.sqrt(variance * 2 / math.pi)
    mean = float(point_D.mean())

    def interval(one: Variance) -> Interval:
        plain = symmetric_interval(mean, *one, 0.0, 1.0)
        return Interval(max(0.0, plain.low - excess), plain.high)

    return _rounded(
        Chance(interval(of.both), interval(of.clips), None if of.draws is None else interval(of.draws))
    )


def _equal_error(score_q: np.ndarray, truth_q: np.ndarray) -> tuple[float, float]:
    """Return the threshold at which misses and false alarms are nearest to each other, and their mean."""
    thresholds = np.append(np.unique(score_q), np.inf)
    misses = np.searchsorted(np.sort(score_q[truth_q]), thresholds) / truth_q.sum()
    alarms = 1 - np.searchsorted(np.sort(score_q[~truth_q]), thresholds) / (~truth_q).sum()
    best = int(np.argmin(np.abs(misses - alarms)))
    return float(thresholds[best]), float((misses[best] + alarms[best]) / 2)


def _moved(value_n: np.ndarray, cluster_n: np.ndarray, clusters: int) -> np.ndarray:
    """Return how the mean of the values moves without each cluster, (K,)."""
    size_K = np.bincount(cluster_n, minlength=clusters)
    left_K = np.maximum(len(cluster_n) - size_K, 1)
    return (value_n.sum() - np.bincount(cluster_n, value_n, clusters)) / left_K - value_n.mean()


def _density(score_n: np.ndarray, at: float) -> float:
    """Return the density of scores at a value, by Gaussian kernels of Silverman's width."""
    low, high = np.quantile(score_n, [0.25, 0.75])
    spread = min(score_n.std(), (high - low) / 1.34) or score_n.std()
    width = 0.9 * spread * len(score_n) ** -0.2
    if width == 0 or not np.isfinite(at):
        return 0.0
    return float(np.exp(-(((score_n - at) / width) ** 2) / 2).mean() / width)


def _score_chance(point_D: np.ndarray, of: Variances, clusters: int, predictions: int) -> Chance:
    mean = float(point_D.mean())
    both, clips = (score_interval(mean, *one, clusters, predictions) for one in (of.both, of.clips))
    draws = None if of.draws is None else symmetric_interval(mean, *of.draws, 0.0, 1.0)
    return _rounded(Chance(both, clips, draws))


def _rounded(chance: Chance) -> Chance:
    """Return the intervals to five digits: the last bits of scores depend on batches and ranks."""
    ends = [None if one is None else Interval(round(one.low, 5), round(one.high, 5)) for one in chance]
    assert ends[0] is not None
    assert ends[1] is not None
    return Chance(ends[0], ends[1], ends[2])


def _unknown(draws: int) -> Chance:
    """Return the intervals of a metric of which nothing is known."""
    everything = Interval(0.0, 1.0)
    return Chance(everything, everything, everything if draws > 1 else None)
