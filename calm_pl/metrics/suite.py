"""The metrics of one method."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from torch import Tensor, nn
from torchmetrics import MetricCollection
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassConfusionMatrix,
    MulticlassF1Score,
)

from calm_pl.metrics.exact_match import ClipExactMatch
from calm_pl.metrics.intervals import Interval, bootstrap_macro_f1, wilson


class MethodResult(NamedTuple):
    """What a method reached; fractions in [0, 1].

    Attributes:
        accuracy: share of right queries.
        macro_f1: mean F1 over classes.
        exact_match: share of clips all of whose queries are right.
        ci95: 95 % intervals by metric: Wilson's for shares, bootstrap over clips for Macro-F1.
        n: queries.
        confusion_CC: counts, rows are the truth.
    """

    accuracy: float
    macro_f1: float
    exact_match: float
    ci95: dict[str, Interval]
    n: int
    confusion_CC: np.ndarray


class MethodMetrics(nn.Module):
    """Accuracy, Macro-F1, clip exact match and confusion matrix of one method.

    Args:
        num_classes: C.
        num_clips: clips in the query.
    """

    def __init__(self, num_classes: int, num_clips: int) -> None:
        super().__init__()
        self.per_query = MetricCollection(
            {
                "accuracy": MulticlassAccuracy(num_classes, average="micro"),
                "macro_f1": MulticlassF1Score(num_classes, average="macro"),
                "confusion": MulticlassConfusionMatrix(num_classes),
            },
            compute_groups=False,
        )
        self.exact_match = ClipExactMatch(num_clips)

    def reset(self) -> None:
        """Forget all counts."""
        self.per_query.reset()
        self.exact_match.reset()

    def update(self, predicted_n: Tensor, label_n: Tensor, clip_n: Tensor) -> None:
        """Count a batch of queries: predicted and true class indices, and the clip asked about."""
        self.per_query.update(predicted_n, label_n)
        self.exact_match.update(predicted_n == label_n, clip_n)

    def result(self) -> MethodResult:
        """Metrics over all ranks; every rank must call it."""
        values = self.per_query.compute()
        exact = self.exact_match.compute()
        confusion_CC = values["confusion"].cpu().numpy()
        total = int(confusion_CC.sum())
        return MethodResult(
            accuracy=_fraction(values["accuracy"]),
            macro_f1=_fraction(values["macro_f1"]),
            exact_match=_fraction(exact.share),
            ci95={
                "accuracy": wilson(int(np.trace(confusion_CC)), total),
                "macro_f1": bootstrap_macro_f1(confusion_CC),
                "exact_match": wilson(int(exact.exact), int(exact.clips)),
            },
            n=total,
            confusion_CC=confusion_CC,
        )


def _fraction(value: Tensor) -> float:
    """A float32 metric without the digits that float32 does not hold."""
    return round(float(value), 6)
