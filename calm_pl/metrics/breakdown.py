"""Results on subsets of a query set, such as each kind of spoofing attack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torchmetrics.functional.classification import binary_eer


class SubsetResult(NamedTuple):
    """Results of one method on one subset, means over draws.

    Attributes:
        n: number of questions.
        accuracy: share predicted correctly.
        eer: equal error rate of the subset's negatives against all positives; None if the task has no
            positive class or the subset no negatives.
    """

    n: int
    accuracy: float
    eer: float | None


def break_down(
    subset_Q: Sequence[str],
    label_Q: np.ndarray,
    predicted_QD: np.ndarray,
    confidence_QD: np.ndarray,
    positive: int | None = None,
) -> dict[str, SubsetResult]:
    """Return results by subset, in alphabetical order; questions without a subset are ignored.

    Args:
        subset_Q: the subset of each question, or an empty string.
        label_Q: true classes.
        predicted_QD: predicted classes by draw.
        confidence_QD: probability of the predicted class; with two classes the other's follows from it.
        positive: index of the class to detect, in two-class tasks.
    """
    names_Q = np.asarray(subset_Q)
    results = {}
    for name in sorted(set(subset_Q) - {""}):
        chosen_Q = names_Q == name
        right_QD = predicted_QD[chosen_Q] == label_Q[chosen_Q, None]
        eer = None
        if positive is not None and (label_Q[chosen_Q] != positive).any():
            scores_QD = np.where(predicted_QD == positive, confidence_QD, 1 - confidence_QD)
            judged_Q = (chosen_Q & (label_Q != positive)) | (label_Q == positive)
            eer = _mean_eer(scores_QD[judged_Q], label_Q[judged_Q] == positive)
        results[name] = SubsetResult(int(chosen_Q.sum()), float(right_QD.mean()), eer)
    return results


def _mean_eer(scores_QD: np.ndarray, truth_Q: np.ndarray) -> float | None:
    if truth_Q.all() or not truth_Q.any():
        return None
    truth = torch.from_numpy(truth_Q.astype(np.int64))
    rates = [float(binary_eer(torch.from_numpy(scores_Q).float(), truth)) for scores_Q in scores_QD.T]
    return round(float(np.mean(rates)), 6)
