"""The metrics of one method in one round: a fold and a draw of the support."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from torch import Tensor, nn
from torchmetrics.classification import MulticlassConfusionMatrix

from calm_pl.metrics.exact_match import ExactMatch
from calm_pl.metrics.info import METRICS, TaskKind, kinds_of
from calm_pl.metrics.ranking import ClipAveragePrecision


class MetricSizes(NamedTuple):
    """Sizes of a task that its metrics need.

    Attributes:
        num_classes: C.
        num_questions: Q query questions.
        num_clips: N clips that they are about.
        multi_label: whether a clip may have several labels.
        positive: the class to detect; None if there is none.
        may_abstain: predictions may be missing, class C; these are wrong, but not a false positive of any
            class.
    """

    num_classes: int
    num_questions: int
    num_clips: int
    multi_label: bool = False
    positive: int | None = None
    may_abstain: bool = False

    @property
    def num_outcomes(self) -> int:
        """C, plus one if predictions may be missing."""
        return self.num_classes + self.may_abstain

    @property
    def kinds(self) -> frozenset[TaskKind]:
        """The kinds of the task."""
        return kinds_of(self.multi_label, self.positive)


class RoundResult(NamedTuple):
    """Results of a method in one round; fractions in [0, 1].

    Attributes:
        values: values of the metrics computed for the task, by key; see `calm_pl.metrics.METRICS`.
        n: number of questions.
        exact: number of clips with every question predicted correctly.
        clips: number of clips.
        confusion_CC: counts, rows are the truth; with a last column for missing predictions, if possible.
        left_out_N: mean average precision without each clip; None if it is not computed.
    """

    values: dict[str, float]
    n: int
    exact: int
    clips: int
    confusion_CC: np.ndarray
    left_out_N: np.ndarray | None = None


class MethodMetrics(nn.Module):
    """All metrics of the table that apply to the task, and the confusion matrix.

    Args:
        sizes: sizes of the task.
    """

    def __init__(self, sizes: MetricSizes) -> None:
        super().__init__()
        self.num_classes = sizes.num_classes
        self.rows = METRICS.computed(sizes.kinds)
        self.measures = [row.make(sizes) for row in self.rows]
        self._registered = nn.ModuleList(self.measures)  # an nn.Module moves its metrics to the device
        # Classes are checked before they come here; each check of torchmetrics waits for the GPU.
        self.confusion = MulticlassConfusionMatrix(sizes.num_outcomes, validate_args=False)

    def reset(self) -> None:
        """Reset all counts."""
        for metric in (*self.measures, self.confusion):
            metric.reset()

    def update(
        self, predicted_q: Tensor, proba_qC: Tensor, label_q: Tensor, clip_q: Tensor, index_q: Tensor
    ) -> None:
        """Count a batch of questions.

        Args:
            predicted_q: predicted classes; C if there is no prediction.
            proba_qC: class probabilities.
            label_q: true classes.
            clip_q: the clips asked about.
            index_q: the questions' positions in the data set.
        """
        batch = {
            "predicted_q": predicted_q,
            "proba_qC": proba_qC,
            "label_q": label_q,
            "right_q": predicted_q == label_q,
            "clip_q": clip_q,
            "index_q": index_q,
        }
        for row, measure in zip(self.rows, self.measures, strict=True):
            measure.update(*(batch[name] for name in row.reads))
        self.confusion.update(predicted_q, label_q)

    def result(self) -> RoundResult:
        """Return the metrics over all ranks; every rank must call this."""
        found = {row.key: one.compute() for row, one in zip(self.rows, self.measures, strict=True)}
        exact: ExactMatch = found["exact_match"]
        found["exact_match"] = exact.share
        confusion_CC = self.confusion.compute().cpu().numpy()[: self.num_classes]
        return RoundResult(
            {name: _fraction(value) for name, value in found.items()},
            int(confusion_CC.sum()),
            int(exact.exact),
            int(exact.clips),
            confusion_CC,
            next((one.left_out_N for one in self.measures if isinstance(one, ClipAveragePrecision)), None),
        )


def _fraction(value: Tensor) -> float:
    """Return a float32 metric rounded to the digits that float32 can represent."""
    return round(float(value), 6)
