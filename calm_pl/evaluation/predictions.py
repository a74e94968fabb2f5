"""Predictions of every method, and the results computed from them over all ranks."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from calm_pl.data.questions.task import Task
from calm_pl.metrics import (
    Difference,
    Predicted,
    SubsetResult,
    break_down,
    pairwise_differences,
    winner_calibration_error,
)


class Predictions(NamedTuple):
    """Predictions of all methods, on the CPU.

    Attributes:
        seen_Q: 1 if the question has predictions, 0 if its clip could not be read.
        label_QDM: class indices by draw and method; C if there is no prediction, 0 if the question was not
            seen.
        confidence_QDM: probability of each prediction.
    """

    seen_Q: Tensor
    label_QDM: Tensor
    confidence_QDM: Tensor


def predicted_by(task: Task, predictions: Predictions, method: int) -> Predicted:
    """Return one method's predictions for the questions seen."""
    seen_Q = predictions.seen_Q.numpy() > 0
    return Predicted(
        task.label_Q[seen_Q],
        predictions.label_QDM[..., method].numpy()[seen_Q],
        task.clip_Q[seen_Q],
        task.fold_Q[seen_Q],
        task.cluster_Q[seen_Q],
        predictions.confidence_QDM[..., method].double().numpy()[seen_Q],
        task.positive,
    )


def by_subset(task: Task, predictions: Predictions, method: int) -> dict[str, SubsetResult]:
    """Return one method's results on each subset of the query."""
    seen_Q = predictions.seen_Q.numpy() > 0
    return break_down(
        [subset for subset, seen in zip(task.subset_Q, seen_Q, strict=True) if seen],
        task.label_Q[seen_Q],
        predictions.label_QDM[..., method].numpy()[seen_Q],
        predictions.confidence_QDM[..., method].numpy()[seen_Q],
        task.positive,
    )


def calibration_error(task: Task, predictions: Predictions, method: int) -> float:
    """Compute the expected calibration error of one method's predictions, over all draws."""
    seen_Q = predictions.seen_Q > 0
    label_QD = predictions.label_QDM[seen_Q][..., method]
    truth_Q = predictions.label_QDM.new_tensor(task.label_Q)[seen_Q]
    confidence_QD = predictions.confidence_QDM[seen_Q][..., method]
    return winner_calibration_error(confidence_QD.flatten(), (label_QD == truth_Q[:, None]).flatten())


def method_differences(task: Task, predictions: Predictions, methods: list[str]) -> list[Difference]:
    """Compare every pair of methods, the largest difference first."""
    seen_Q = predictions.seen_Q.numpy() > 0
    truth_Q = task.label_Q[seen_Q]
    label_QDM = predictions.label_QDM.numpy()[seen_Q]
    right = {name: (label_QDM[..., m] == truth_Q[:, None]).T for m, name in enumerate(methods)}
    return pairwise_differences(right, task.cluster_Q[seen_Q])
