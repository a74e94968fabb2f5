"""Macro-F1 over the classes that occur, where predictions may be missing."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics.classification import MulticlassF1Score


class MacroF1(MulticlassF1Score):
    """Mean F1 over the classes that are the truth or the prediction of a question, as in torchmetrics.

    Args:
        num_classes: C.
        num_answers: C, or C + 1 where an answer may be none; that is no class, and has no F1.
    """

    def __init__(self, num_classes: int, num_answers: int) -> None:
        super().__init__(num_answers, average=None)
        self.labels = num_classes

    def compute(self) -> Tensor:
        """Return the mean, a float32 scalar; NaN where no class occurs."""
        hits_C, false_C, missed_C = (torch.as_tensor(one) for one in (self.tp, self.fp, self.fn))
        occurs_C = (hits_C + false_C + missed_C).cpu()[: self.labels] > 0
        return super().compute().cpu()[: self.labels][occurs_C].mean()
