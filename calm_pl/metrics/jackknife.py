"""95 % intervals of accuracy, Macro-F1 and exact match: the jackknife over clusters of clips.

Clips of one recording, speaker or voice are not independent: the jackknife leaves out one such cluster at a
time. Support draws are a second source of uncertainty, reported separately. A percentile bootstrap interval
of Macro-F1 can exclude the value itself, since a class with few clips is often missing from a sample;
`benchmarks/interval_coverage.py` compares the coverage of intervals.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from calm_pl.metrics.intervals import Interval, score_interval, symmetric_interval


class Predicted(NamedTuple):
    """Predictions of one method.

    Attributes:
        label_Q: true classes.
        predicted_QD: predicted classes of each draw; C if there is no prediction.
        clip_Q: the clip that each question is about.
        fold_Q: the fold of each question; a metric is the mean over folds.
        cluster_Q: the source recording, speaker or similar; clusters are left out whole. None makes each clip
            a cluster.
        confidence_QD: probability of each prediction; None if unknown, and metrics of scores then have no
            interval.
        positive: the class to detect; None if there is none.
    """

    label_Q: np.ndarray
    predicted_QD: np.ndarray
    clip_Q: np.ndarray
    fold_Q: np.ndarray
    cluster_Q: np.ndarray | None = None
    confidence_QD: np.ndarray | None = None
    positive: int | None = None

    @property
    def whole_Q(self) -> np.ndarray:
        """The cluster of each question; its clip if there are no clusters."""
        return self.clip_Q if self.cluster_Q is None else self.cluster_Q


class Chance(NamedTuple):
    """95 % intervals of one metric.

    Attributes:
        both: for a new sample of clips and new support draws.
        clips: for a new sample of clips with the same support draws.
        draws: for new support draws with the same clips; None with one draw.
    """

    both: Interval
    clips: Interval
    draws: Interval | None


class Variance(NamedTuple):
    """Variance of an estimate.

    Attributes:
        value: the variance; infinite with a single cluster or draw, which says nothing about others.
        df: degrees of freedom of `value`.
    """

    value: float
    df: float


class Variances(NamedTuple):
    """Variance of a mean over draws, from each source of uncertainty and from both.

    Attributes:
        both: of clips and draws together.
        clips: of the clusters of clips.
        draws: of the support draws; None with one draw.
    """

    both: Variance
    clips: Variance
    draws: Variance | None


def jackknife_intervals(predictions: Predicted, num_classes: int) -> dict[str, Chance]:
    """Return 95 % intervals of accuracy, Macro-F1 and exact match, each a mean over folds and draws.

    Args:
        predictions: Q questions by D draws.
        num_classes: C.
    """
    folds = [_Fold(predictions, fold, num_classes) for fold in np.unique(predictions.fold_Q)]
    clusters = sum(fold.num_clusters for fold in folds)
    found = {}
    for name in ("accuracy", "macro_f1", "exact_match"):
        points_FD, without = zip(*(fold.left_out(name) for fold in folds), strict=True)
        point_D = np.mean(points_FD, axis=0)
        mean = float(point_D.mean())
        of = variances(point_D, list(without))
        both, clips = (
            score_interval(mean, *one, clusters, predictions.predicted_QD.size) for one in (of.both, of.clips)
        )
        draws = None if of.draws is None else symmetric_interval(mean, *of.draws, 0.0, 1.0)
        found[name] = Chance(both, clips, draws)
    return found


def variances(point_D: np.ndarray, without_FDK: list[np.ndarray]) -> Variances:
    """Return the variance of a mean over D draws and F folds.

    Draws and clusters are crossed, so the part that both explain is counted once (A. C. Cameron et al.,
    Robust inference with multiway clustering, JBES 2011). Degrees of freedom are Satterthwaite's.

    Args:
        point_D: the estimate of each draw, a mean over folds.
        without_FDK: for each fold, the estimate of each draw (D) without each cluster (K).
    """
    folds, draws = len(without_FDK), len(point_D)
    parts = [_over_clusters(without_DK.mean(0), 1 / folds) for without_DK in without_FDK]
    clips = _added(parts)
    if draws == 1:
        return Variances(clips, clips, None)
    deviation_D = point_D - point_D.mean()
    over_draws = Variance(float((deviation_D**2).sum()) / (draws - 1) / draws, draws - 1)
    if math.isinf(clips.value):
        return Variances(clips, clips, over_draws)
    clusters = sum(one.shape[1] for one in without_FDK)
    own_D1 = deviation_D[:, None] / clusters
    shared = sum(float(((_pull(one) / folds + own_D1) ** 2).sum()) for one in without_FDK)
    total = clips.value + over_draws.value
    both = max(total - shared / draws**2, clips.value, over_draws.value)
    return Variances(Variance(both, _added([clips, over_draws]).df), clips, over_draws)


def _pull(without_DK: np.ndarray) -> np.ndarray:
    """Return how far each cluster pulls the estimate, (D, K)."""
    clusters = without_DK.shape[1]
    return math.sqrt((clusters - 1) / clusters) * (without_DK.mean(1, keepdims=True) - without_DK)


def _over_clusters(without_K: np.ndarray, share: float) -> Variance:
    if len(without_K) == 1:
        return Variance(math.inf, 1)
    return Variance(share**2 * float((_pull(without_K[None]) ** 2).sum()), len(without_K) - 1)


def _added(parts: list[Variance]) -> Variance:
    """Return the variance of a sum of independent parts, with Satterthwaite's degrees of freedom."""
    total = sum(part.value for part in parts)
    if total == 0 or math.isinf(total):
        return Variance(total, min(part.df for part in parts))
    return Variance(total, 1 / sum((part.value / total) ** 2 / part.df for part in parts))


class _Fold:
    """One fold's questions, with one cluster left out at a time."""

    def __init__(self, predictions: Predicted, fold: int, num_classes: int) -> None:
        rows = predictions.fold_Q == fold
        self.label_q, self.predicted_qD = predictions.label_Q[rows], predictions.predicted_QD[rows]
        self.cluster_q = np.unique(predictions.whole_Q[rows], return_inverse=True)[1]
        self.clip_q = np.unique(predictions.clip_Q[rows], return_inverse=True)[1]
        self.num_clusters = int(self.cluster_q.max()) + 1
        self.num_classes = num_classes

    def left_out(self, metric: str) -> tuple[np.ndarray, np.ndarray]:
        """Return a metric of each draw (D,), and the same without each cluster (D, K)."""
        if metric == "macro_f1":
            of_draws = [self._macro_f1(predicted_q) for predicted_q in self.predicted_qD.T]
            points, without = zip(*of_draws, strict=True)
            return np.array(points), np.array(without)
        right_qD, cluster_q = self.predicted_qD == self.label_q[:, None], self.cluster_q
        if metric == "exact_match":
            first_n = np.unique(self.clip_q, return_index=True)[1]
            wrong_Dn = np.stack([np.bincount(self.clip_q, ~right_q) for right_q in right_qD.T])
            right_qD, cluster_q = (wrong_Dn == 0).T, self.cluster_q[first_n]
        return _shares(right_qD, cluster_q, self.num_clusters)

    def _macro_f1(self, predicted_q: np.ndarray) -> tuple[float, np.ndarray]:
        C, K = self.num_classes, self.num_clusters
        # An extra class, dropped at the end, for what is not counted.
        hit_q = np.where(predicted_q == self.label_q, self.label_q, C)
        hits_C = np.bincount(hit_q, minlength=C + 1)[:C]
        ends_C = np.bincount(np.concatenate([self.label_q, predicted_q]), minlength=C + 1)[:C]
        f1_C = _f1(hits_C, ends_C)
        total, classes = f1_C.sum(), int((ends_C > 0).sum())
        # Leaving out a cluster changes only classes that are its truth or prediction: (cluster, class) pairs.
        base_q = self.cluster_q * (C + 1)
        pair_P, place = np.unique(
            np.concatenate([base_q + self.label_q, base_q + predicted_q]), return_inverse=True
        )
        ends_P = np.bincount(place)
        hits_P = np.bincount(place[: len(hit_q)], hit_q < C, len(pair_P))
        cluster_P, class_P = np.divmod(pair_P, C + 1)
        kept = class_P < C
        cluster_P, class_P, ends_P, hits_P = cluster_P[kept], class_P[kept], ends_P[kept], hits_P[kept]
        left_P = ends_C[class_P] - ends_P
        change_P = _f1(hits_C[class_P] - hits_P, left_P) - f1_C[class_P]
        sum_K = total + np.bincount(cluster_P, change_P, K)
        classes_K = classes - np.bincount(cluster_P, left_P == 0, K)
        return total / max(classes, 1), sum_K / np.maximum(classes_K, 1)


def _f1(hits: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return F1 from correct predictions and the sum of true and predicted ones; 0 if there are none."""
    return np.divide(2.0 * hits, ends, out=np.zeros(len(hits)), where=ends > 0)


def _shares(right_nD: np.ndarray, cluster_n: np.ndarray, clusters: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of correct predictions by draw (D,), and the same without each cluster (D, K)."""
    size_K = np.bincount(cluster_n, minlength=clusters)
    right_DK = np.stack([np.bincount(cluster_n, right_n, clusters) for right_n in right_nD.T])
    left_K = np.maximum(len(cluster_n) - size_K, 1)  # 0 with one cluster
    return right_DK.sum(1) / len(cluster_n), (right_DK.sum(1, keepdims=True) - right_DK) / left_K
