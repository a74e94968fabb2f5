"""Metrics of class scores instead of predictions: mean average precision, equal error rate."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.functional.classification import binary_average_precision, binary_eer

from calm_pl.metrics.average_precision import precision_left_out


class ClipAveragePrecision(Metric):
    """Mean average precision over classes, for clips with several labels.

    A clip has several questions, perhaps on different ranks: its class scores are averaged over them. The
    states are sums, (N, C) and (N,), and add up. The mean excludes classes that no clip has.

    Args:
        num_clips: N clips in the data set.
        num_classes: C.

    Attributes:
        left_out_N: after `compute`, the value without each clip, float64; NaN for clips not asked about.
    """

    full_state_update = False
    left_out_N: np.ndarray | None = None
    scores_NC: Tensor
    asked_N: Tensor
    truth_NC: Tensor

    def __init__(self, num_clips: int, num_classes: int) -> None:
        super().__init__()
        shape = (num_clips, num_classes)
        self.add_state("scores_NC", torch.zeros(shape), dist_reduce_fx="sum")
        self.add_state("asked_N", torch.zeros(num_clips, dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("truth_NC", torch.zeros(shape, dtype=torch.int32), dist_reduce_fx="sum")

    def update(self, scores_QC: Tensor, label_Q: Tensor, clip_Q: Tensor) -> None:
        """Add a batch of questions.

        Args:
            scores_QC: class scores in [0, 1], float32.
            label_Q: the label that each question is about.
            clip_Q: the clip that each question is about, in [0, N).
        """
        self.scores_NC.index_add_(0, clip_Q, scores_QC.to(self.scores_NC.dtype))
        self.asked_N.index_add_(0, clip_Q, torch.ones_like(clip_Q))
        one = torch.ones_like(label_Q, dtype=self.truth_NC.dtype)
        self.truth_NC.index_put_((clip_Q, label_Q), one, accumulate=True)

    def compute(self) -> Tensor:
        """Return the mean over classes, a float32 scalar; NaN if no class has a clip."""
        asked_N = self.asked_N > 0
        scores_NC = self.scores_NC[asked_N] / self.asked_N[asked_N, None]
        truth_NC = (self.truth_NC[asked_N] > 0).to(torch.int64)
        self.left_out_N = np.full(len(asked_N), np.nan)
        self.left_out_N[asked_N.cpu().numpy()] = precision_left_out(
            scores_NC.cpu().numpy(), truth_NC.bool().cpu().numpy()
        )
        present = truth_NC.any(0).nonzero().flatten().tolist()
        if not present:
            return torch.tensor(float("nan"))
        return torch.stack(
            [binary_average_precision(scores_NC[:, c], truth_NC[:, c]) for c in present]
        ).mean()


class EqualErrorRate(Metric):
    """Equal error rate of the positive class's score in a two-class task.

    The states are sums over a table of all questions, (Q,), and add up.

    Args:
        num_questions: Q.
        positive: class index.
    """

    full_state_update = False
    score_Q: Tensor
    truth_Q: Tensor
    seen_Q: Tensor

    def __init__(self, num_questions: int, positive: int) -> None:
        super().__init__()
        self.positive = positive
        self.add_state("score_Q", torch.zeros(num_questions), dist_reduce_fx="sum")
        self.add_state("truth_Q", torch.zeros(num_questions, dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("seen_Q", torch.zeros(num_questions, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, scores_qC: Tensor, label_q: Tensor, index_q: Tensor) -> None:
        """Add a batch of questions: class scores in [0, 1], true classes, positions in the table."""
        self.score_Q.index_add_(0, index_q, scores_qC[:, self.positive].to(self.score_Q.dtype))
        self.truth_Q.index_add_(0, index_q, (label_q == self.positive).to(torch.int64))
        self.seen_Q.index_add_(0, index_q, torch.ones_like(index_q))

    def compute(self) -> Tensor:
        """Return the rate over all questions, a float32 scalar; NaN if a class has no question."""
        return self.of(torch.ones_like(self.seen_Q, dtype=torch.bool))

    def of(self, chosen_Q: Tensor) -> Tensor:
        """Return the rate over the questions of a bool mask (Q,); needs synchronised states."""
        kept_Q = (self.seen_Q > 0) & chosen_Q
        score_Q, truth_Q = self.score_Q[kept_Q], self.truth_Q[kept_Q]
        if len(torch.unique(truth_Q)) < 2:
            return torch.tensor(float("nan"))
        return binary_eer(score_Q, truth_Q)
