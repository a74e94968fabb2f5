"""Every method's prediction for every question and draw, gathered over ranks by a sum."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric


class PredictionTable(Metric):
    """Table of Q questions by D draws by M methods: each rank fills in its own questions, the rest are zero.

    Args:
        num_questions: Q.
        num_draws: D.
        num_methods: M.
    """

    full_state_update = False
    seen_Q: Tensor
    label_QDM: Tensor
    confidence_QDM: Tensor

    def __init__(self, num_questions: int, num_draws: int, num_methods: int) -> None:
        super().__init__()
        shape = (num_questions, num_draws, num_methods)
        self.add_state("seen_Q", torch.zeros(num_questions, dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("label_QDM", torch.zeros(shape, dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("confidence_QDM", torch.zeros(shape), dist_reduce_fx="sum")

    def update(self, index_q: Tensor, label_qDM: Tensor, confidence_qDM: Tensor) -> None:
        """Add the rows of a batch.

        Args:
            index_q: positions in the data set.
            label_qDM: predicted class indices.
            confidence_qDM: probability of the predicted class.
        """
        self.seen_Q.index_add_(0, index_q, torch.ones_like(index_q))
        self.label_QDM.index_add_(0, index_q, label_qDM)
        self.confidence_QDM.index_add_(0, index_q, confidence_qDM)

    def compute(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return how often each question was seen (Q,), labels and confidences (Q, D, M), over all ranks."""
        return self.seen_Q, self.label_QDM, self.confidence_QDM
