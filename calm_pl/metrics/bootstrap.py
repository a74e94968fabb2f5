"""Percentile bootstrap over clips, for results that several questions, draws or folds share."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from calm_pl.metrics.intervals import Interval

_RESAMPLES_AT_ONCE = 100


class Answers(NamedTuple):
    """Predictions of one method.

    Attributes:
        label_Q: true classes.
        predicted_QD: predicted classes of each draw; C where there is no answer.
        clip_Q: the clip that each question is about; clips are resampled whole.
        fold_Q: the fold of each question; each fold keeps its number of clips.
    """

    label_Q: np.ndarray
    predicted_QD: np.ndarray
    clip_Q: np.ndarray
    fold_Q: np.ndarray


def bootstrap_clips(
    answers: Answers, num_classes: int, resamples: int = 1000, seed: int = 0
) -> dict[str, Interval]:
    """95 % intervals of accuracy, Macro-F1 and clip exact match, each a mean over folds and draws.

    Args:
        answers: Q questions by D draws.
        num_classes: C.
        resamples: bootstrap samples.
        seed: of the samples.
    """
    rng = np.random.default_rng(seed)
    values: dict[str, list[np.ndarray]] = {"accuracy": [], "macro_f1": [], "exact_match": []}
    folds = [_Fold(answers, fold, num_classes) for fold in np.unique(answers.fold_Q)]
    for start in range(0, resamples, _RESAMPLES_AT_ONCE):
        size = min(_RESAMPLES_AT_ONCE, resamples - start)
        parts = [fold.resampled(rng, size) for fold in folds]
        for name, collected in values.items():
            collected.append(np.mean([part[name] for part in parts], axis=0))
    ends = {name: np.quantile(np.concatenate(parts), [0.025, 0.975]) for name, parts in values.items()}
    return {name: Interval(float(low), float(high)) for name, (low, high) in ends.items()}


class _Fold:
    """One fold's counts, ready to be weighted."""

    def __init__(self, answers: Answers, fold: int, num_classes: int) -> None:
        rows = answers.fold_Q == fold
        label_q, predicted_qD = answers.label_Q[rows], answers.predicted_QD[rows]
        self.clip_q = np.unique(answers.clip_Q[rows], return_inverse=True)[1]
        self.num_clips = int(self.clip_q.max()) + 1
        self.right_qD = predicted_qD == label_q[:, None]
        wrong_nD = np.zeros((self.num_clips, predicted_qD.shape[1]))
        np.add.at(wrong_nD, self.clip_q, ~self.right_qD)
        self.exact_nD = wrong_nD == 0
        self.truth_Cq = _one_hot(label_q, num_classes)
        self.hits_DCq = [_one_hot(label_q, num_classes, right) for right in self.right_qD.T]
        self.guess_DCq = [
            _one_hot(predicted, num_classes, predicted < num_classes) for predicted in predicted_qD.T
        ]

    def resampled(self, rng: np.random.Generator, size: int) -> dict[str, np.ndarray]:
        """Each metric of `size` samples, means over draws."""
        weight_Rn = rng.multinomial(self.num_clips, np.full(self.num_clips, 1 / self.num_clips), size)
        weight_qR = torch.from_numpy(weight_Rn[:, self.clip_q].T.astype(np.float64))
        total_R = weight_qR.sum(0).numpy()
        truth_CR = self.truth_Cq @ weight_qR
        f1, accuracy = [], []
        for hits_Cq, guess_Cq in zip(self.hits_DCq, self.guess_DCq, strict=True):
            hits_CR = hits_Cq @ weight_qR
            ends_CR = truth_CR + guess_Cq @ weight_qR
            f1_CR = torch.where(ends_CR > 0, 2 * hits_CR / ends_CR.clamp(min=1), 0.0)
            f1.append((f1_CR.sum(0) / (ends_CR > 0).sum(0).clamp(min=1)).numpy())
            accuracy.append(hits_CR.sum(0).numpy() / total_R)
        exact_R = (weight_Rn @ self.exact_nD).mean(1) / self.num_clips
        return {
            "accuracy": np.mean(accuracy, axis=0),
            "macro_f1": np.mean(f1, axis=0),
            "exact_match": exact_R,
        }


def _one_hot(class_q: np.ndarray, num_classes: int, kept_q: np.ndarray | None = None) -> torch.Tensor:
    """A sparse (C, q) float64 matrix with a 1 at each question's class, where it is kept."""
    columns = np.arange(len(class_q)) if kept_q is None else np.flatnonzero(kept_q)
    places = torch.from_numpy(np.stack([class_q[columns], columns]))
    ones = torch.ones(len(columns), dtype=torch.float64)
    return torch.sparse_coo_tensor(places, ones, (num_classes, len(class_q)), check_invariants=False)
