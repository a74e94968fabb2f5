"""Which support clips are left out together, so that every class misses the same share of its clips."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

MAX_FOLDS = 10
NEVER = -1
"""The fold of a clip that is alone in its class: without it there would be no class."""


class FoldedClips(NamedTuple):
    """Support clips, each of which is judged by a fit without its fold.

    Attributes:
        y_N: class indices.
        fold_N: see `balanced_folds`.
        also_NC: bool, classes that a clip has beside y: no wrong answers, so it is not judged among them.
            None where every clip has one class.
    """

    y_N: Tensor
    fold_N: Tensor
    also_NC: Tensor | None = None

    @property
    def can_N(self) -> Tensor:
        """Which clips are ever left out, bool."""
        return self.fold_N != NEVER

    @property
    def num_folds(self) -> int:
        """0 where every clip is alone in its class."""
        return int(self.fold_N.max()) + 1


def balanced_folds(y_N: Tensor, order_N: Tensor, num_classes: int, most: int = MAX_FOLDS) -> Tensor:
    """A fold for each clip, so that each fold takes from all classes alike, (N,) int64.

    Leaving one clip out alone is no fair test of few shots: the mean of its class, made of one clip fewer
    than the others, is longer by its noise and further from everything, so the clip seems less like its own
    class than it is. Of spoofed digits, two clips a class, 26 % were right that way, 57 % with one clip of
    each class left out, and 57 % of new clips (`benchmarks/left_out.py`). With as many folds as a class has
    clips, up to `most`, that is what is done.

    Args:
        y_N: class indices.
        order_N: a number that belongs to each clip, whatever their order: clips of a class are dealt to the
            folds by it, beginning with another fold for each class.
        num_classes: C.
        most: folds at most, above 1.
    """
    counts_C = torch.bincount(y_N, minlength=num_classes)
    folds = min(most, int(counts_C.max()))
    fold_N = torch.full_like(y_N, NEVER)
    for c in range(num_classes):
        rows = (y_N == c).nonzero()[:, 0]
        if len(rows) > 1:
            ranked = rows[order_N[rows].argsort(stable=True)]
            fold_N[ranked] = (torch.arange(len(rows), device=y_N.device) + c) % folds
    return fold_N
