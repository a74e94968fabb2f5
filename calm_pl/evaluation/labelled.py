"""Support vectors with their labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from calm_pl.data.questions.task import Task


class Labelled(NamedTuple):
    """Support clips as voters expect them.

    Attributes:
        vectors_NHD: head vectors.
        labels: labels of the questions about them.
        also_NC: further classes of the clips, bool; None if every clip of the support has one class.
    """

    vectors_NHD: Tensor
    labels: list[str]
    also_NC: Tensor | None


def label_clips(task: Task, vectors_NHD: Tensor, positions: Sequence[int]) -> Labelled:
    """Return the vectors of the support questions at these positions, with their true labels."""
    labels = [task.classes[task.support[n].label] for n in positions]
    also_NC = None
    if task.also_SC is not None:
        also_NC = torch.from_numpy(task.also_SC[list(positions)]).to(vectors_NHD.device)
    return Labelled(vectors_NHD, labels, also_NC)
