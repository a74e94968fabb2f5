"""Macro-F1 over the classes that occur, where predictions may be missing."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics.classification import MulticlassF1Score


class MacroF1(MulticlassF1Score):
    """Mean F1 over the classes that occur as truth or prediction, as in torchmetrics.

    Args:
        num_classes: C.
        num_outcomes: C, or C + 1 if predictions may be missing; a missing prediction is not a class and has
            no F1.
    """

    def __init__(self, num_classes: int, num_outcomes: int) -> None:
        super().__init__(num_outcomes, average=None, validate_args=False)
        self.labels = num_classes

    def compute(self) -> Tensor:
        """Return the mean, a float32 scalar; NaN if no class occurs."""
        hits_C, false_C, missed_C = (torch.as_tensor(one) for one in (self.tp, self.fp, self.fn))
        occurs_C = (hits_C + false_C + missed_C).cpu()[: self.labels] > 0
        return super().compute().cpu()[: self.labels][occurs_C].mean()
