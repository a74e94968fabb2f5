"""Percentile bootstrap over clips and over support draws, the two sources of chance in a result."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from calm_pl.metrics.intervals import Interval, middle95

_RESAMPLES_AT_ONCE = 100


class Answers(NamedTuple):
    """Predictions of one method.

    Attributes:
        label_Q: true classes.
        predicted_QD: predicted classes of each draw; C where there is no answer.
        clip_Q: the clip that each question is about.
        fold_Q: the fold of each question; each fold keeps its number of clusters.
        cluster_Q: the source recording, speaker or the like; clusters are resampled whole; clips where None.
    """

    label_Q: np.ndarray
    predicted_QD: np.ndarray
    clip_Q: np.ndarray
    fold_Q: np.ndarray
    cluster_Q: np.ndarray | None = None


class Chance(NamedTuple):
    """95 % intervals of one metric.

    Attributes:
        both: had other clips and other support been drawn.
        clips: had other clips been evaluated; the draws are those they are.
        draws: had other support been drawn; the clips are those they are. None with one draw.
    """

    both: Interval
    clips: Interval
    draws: Interval | None


def bootstrap_clips(
    answers: Answers, num_classes: int, resamples: int = 1000, seed: int = 0
) -> dict[str, Chance]:
    """Bootstrap 95 % intervals of accuracy, Macro-F1 and exact match, each a mean over folds and draws.

    Args:
        answers: Q questions by D draws.
        num_classes: C.
        resamples: bootstrap samples.
        seed: of the samples.
    """
    rng = np.random.default_rng(seed)
    parts: dict[str, list[np.ndarray]] = {"accuracy": [], "macro_f1": [], "exact_match": []}
    folds = [_Fold(answers, fold, num_classes) for fold in np.unique(answers.fold_Q)]
    for start in range(0, resamples, _RESAMPLES_AT_ONCE):
        size = min(_RESAMPLES_AT_ONCE, resamples - start)
        of_folds = [fold.weighed(fold.resampled(rng, size)) for fold in folds]
        for name, collected in parts.items():
            collected.append(np.mean([one[name] for one in of_folds], axis=0))
    as_they_are = [fold.weighed(np.ones((1, fold.num_clusters), dtype=np.int64)) for fold in folds]
    draws = answers.predicted_QD.shape[1]
    weight_RD = (
        np.random.default_rng([seed, 1]).multinomial(draws, np.full(draws, 1 / draws), resamples) / draws
    )
    found = {}
    for name, blocks in parts.items():
        value_DR = np.concatenate(blocks, axis=1)
        point_D = np.mean([one[name][:, 0] for one in as_they_are], axis=0)
        found[name] = Chance(
            middle95((weight_RD.T * value_DR).sum(0)),
            middle95(value_DR.mean(0)),
            middle95(weight_RD @ point_D) if draws > 1 else None,
        )
    return found


class _Fold:
    """One fold's counts, ready to be weighted."""

    def __init__(self, answers: Answers, fold: int, num_classes: int) -> None:
        rows = answers.fold_Q == fold
        label_q, predicted_qD = answers.label_Q[rows], answers.predicted_QD[rows]
        whole_Q = answers.clip_Q if answers.cluster_Q is None else answers.cluster_Q
        self.cluster_q = np.unique(whole_Q[rows], return_inverse=True)[1]
        self.num_clusters = int(self.cluster_q.max()) + 1
        _, first_n, clip_q = np.unique(answers.clip_Q[rows], return_index=True, return_inverse=True)
        self.cluster_n = self.cluster_q[first_n]
        self.right_qD = predicted_qD == label_q[:, None]
        wrong_nD = np.zeros((len(first_n), predicted_qD.shape[1]))
        np.add.at(wrong_nD, clip_q, ~self.right_qD)
        self.exact_nD = wrong_nD == 0
        self.num_classes = num_classes
        self.truth_q = label_q
        # A class of their own, which is left out, for what counts nowhere.
        self.hits_Dq = [np.where(right, label_q, num_classes) for right in self.right_qD.T]
        self.guess_Dq = list(predicted_qD.T)

    def resampled(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """Draw how often each cluster occurs in each of `size` samples, (size, K)."""
        return rng.multinomial(self.num_clusters, np.full(self.num_clusters, 1 / self.num_clusters), size)

    def weighed(self, weight_RK: np.ndarray) -> dict[str, np.ndarray]:
        """Compute each metric of each draw in R samples, (D, R)."""
        weight_Rq = weight_RK[:, self.cluster_q].astype(np.float64)
        total_R = weight_Rq.sum(1)
        truth_RC = self._by_class(weight_Rq, self.truth_q)
        f1, accuracy = [], []
        for hits_q, guess_q in zip(self.hits_Dq, self.guess_Dq, strict=True):
            hits_RC = self._by_class(weight_Rq, hits_q)
            ends_RC = truth_RC + self._by_class(weight_Rq, guess_q)
            f1_RC = np.where(ends_RC > 0, 2 * hits_RC / ends_RC.clip(min=1), 0.0)
            f1.append(f1_RC.sum(1) / (ends_RC > 0).sum(1).clip(min=1))
            accuracy.append(hits_RC.sum(1) / total_R)
        weight_Rn = weight_RK[:, self.cluster_n]
        return {
            "accuracy": np.stack(accuracy),
            "macro_f1": np.stack(f1),
            "exact_match": (weight_Rn @ self.exact_nD).T / weight_Rn.sum(1),
        }

    def _by_class(self, weight_Rq: np.ndarray, class_q: np.ndarray) -> np.ndarray:
        """Sum the weights of each class's questions, (R, C); class C counts nowhere."""
        return np.stack([np.bincount(class_q, one_q, self.num_classes + 1) for one_q in weight_Rq])[:, :-1]
