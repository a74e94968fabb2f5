"""Every method's prediction for every clip, gathered over ranks by a sum."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric


class PredictionTable(Metric):
    """A table of N clips by M methods: each rank fills the rows of its clips, the rest are zero.

    Args:
        num_clips: N.
        num_methods: M.
    """

    full_state_update = False
    seen_N: Tensor
    label_NM: Tensor
    confidence_NM: Tensor

    def __init__(self, num_clips: int, num_methods: int) -> None:
        super().__init__()
        shape = (num_clips, num_methods)
        self.add_state("seen_N", torch.zeros(num_clips, dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("label_NM", torch.zeros(shape, dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("confidence_NM", torch.zeros(shape), dist_reduce_fx="sum")

    def update(self, index_n: Tensor, label_nM: Tensor, confidence_nM: Tensor) -> None:
        """Enter the rows of a batch.

        Args:
            index_n: positions in the data set.
            label_nM: predicted class indices.
            confidence_nM: probability of the predicted class.
        """
        self.seen_N.index_add_(0, index_n, torch.ones_like(index_n))
        self.label_NM.index_add_(0, index_n, label_nM)
        self.confidence_NM.index_add_(0, index_n, confidence_nM)

    def compute(self) -> tuple[Tensor, Tensor, Tensor]:
        """Times each clip was seen (N,), labels and confidences (N, M), over all ranks."""
        return self.seen_N, self.label_NM, self.confidence_NM
