"""The metrics of one method in one round: a fold and a draw of the support."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torchmetrics import MetricCollection
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassConfusionMatrix,
    MulticlassF1Score,
)

from calm_pl.metrics.exact_match import ClipExactMatch
from calm_pl.metrics.ranking import ClipAveragePrecision, EqualErrorRate


class MetricSizes(NamedTuple):
    """What the metrics of a task must know of it.

    Attributes:
        num_classes: C.
        num_questions: Q query questions.
        num_clips: N clips that they are about.
        multi_label: also mean average precision.
        positive: also the equal error rate of this class's score.
        may_abstain: answers may be none, class C; they are wrong, and no class's false positive.
    """

    num_classes: int
    num_questions: int
    num_clips: int
    multi_label: bool = False
    positive: int | None = None
    may_abstain: bool = False


class RoundResult(NamedTuple):
    """What a method reached in one round; fractions in [0, 1].

    Attributes:
        values: `accuracy` (share of right questions), `macro_f1` (mean F1 over classes), `exact_match`
            (share of clips all of whose questions are right), and where the task has them `map`, `eer`.
        n: questions.
        exact: clips all of whose questions are right.
        clips: clips.
        confusion_CC: counts, rows are the truth; where answers may be none, with a last column of those.
    """

    values: dict[str, float]
    n: int
    exact: int
    clips: int
    confusion_CC: np.ndarray


class MethodMetrics(nn.Module):
    """Accuracy, Macro-F1, clip exact match, confusion matrix, and where asked mAP or EER.

    Args:
        sizes: of the task.
    """

    def __init__(self, sizes: MetricSizes) -> None:
        super().__init__()
        classes = sizes.num_classes
        self.num_classes = classes
        answers = classes + sizes.may_abstain
        self.per_query = MetricCollection(
            {
                "accuracy": MulticlassAccuracy(answers, average="micro"),
                "f1": MulticlassF1Score(answers, average=None),
                "confusion": MulticlassConfusionMatrix(answers),
            },
            compute_groups=False,
        )
        self.exact_match = ClipExactMatch(sizes.num_clips)
        self.map = ClipAveragePrecision(sizes.num_clips, classes) if sizes.multi_label else None
        self.eer = EqualErrorRate(sizes.num_questions, sizes.positive) if sizes.positive is not None else None

    def reset(self) -> None:
        """Forget all counts."""
        for metric in (self.per_query, self.exact_match, self.map, self.eer):
            if metric is not None:
                metric.reset()

    def update(
        self, predicted_q: Tensor, proba_qC: Tensor, label_q: Tensor, clip_q: Tensor, index_q: Tensor
    ) -> None:
        """Count a batch of questions.

        Args:
            predicted_q: predicted classes; C where there is no answer.
            proba_qC: class probabilities.
            label_q: true classes.
            clip_q: the clips asked about.
            index_q: the questions' positions in the data set.
        """
        self.per_query.update(predicted_q, label_q)
        self.exact_match.update(predicted_q == label_q, clip_q)
        if self.map is not None:
            self.map.update(proba_qC, label_q, clip_q)
        if self.eer is not None:
            self.eer.update(proba_qC, label_q, index_q)

    def result(self) -> RoundResult:
        """Metrics over all ranks; every rank must call it."""
        values = self.per_query.compute()
        exact = self.exact_match.compute()
        confusion_CC = values["confusion"].cpu().numpy()[: self.num_classes]
        occurs_C = torch.from_numpy(confusion_CC.any(1) | confusion_CC.any(0)[: self.num_classes])
        fractions = {
            "accuracy": values["accuracy"],
            # Over the classes that occur, as torchmetrics does; none of them is "no answer".
            "macro_f1": values["f1"].cpu()[: self.num_classes][occurs_C].mean(),
            "exact_match": exact.share,
        }
        if self.map is not None:
            fractions["map"] = self.map.compute()
        if self.eer is not None:
            fractions["eer"] = self.eer.compute()
        return RoundResult(
            {name: _fraction(value) for name, value in fractions.items()},
            int(confusion_CC.sum()),
            int(exact.exact),
            int(exact.clips),
            confusion_CC,
        )


def _fraction(value: Tensor) -> float:
    """A float32 metric without the digits that float32 does not hold."""
    return round(float(value), 6)
