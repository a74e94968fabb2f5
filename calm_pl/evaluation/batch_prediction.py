"""Predictions of a method for a batch, and what is reported about them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor

from calm_pl.data.questions.task import Task
from calm_pl.errors import RunError
from calm_pl.evaluation.zero_shot import class_probabilities
from calm_pl.metrics import MetricSizes


class BatchPrediction(NamedTuple):
    """Predictions of one method for a batch.

    Attributes:
        winner_N: class index; C if there is no prediction.
        proba_NC: class probabilities.
    """

    winner_N: Tensor
    proba_NC: Tensor


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Convert a voter's ValueError about the data, and a GPU without memory, into an error for the user."""
    try:
        yield
    except ValueError as error:
        raise RunError(f"{what}: {error}") from error
    except torch.OutOfMemoryError as error:
        raise RunError(
            f"{what}: the GPU has too little memory for it. Use fewer support clips (data.shots), or leave"
            " out the methods that compare all of them with each other (methods: gda, calm_auto)."
        ) from error


def zero_shot_prediction(scores_NO: Tensor, options_NO: Tensor, num_classes: int) -> BatchPrediction:
    """Return the model's own predictions from the scores of options; class C if it named none."""
    proba_NC = class_probabilities(scores_NO, options_NO, num_classes)
    found_N = proba_NC.amax(-1) > 0
    return BatchPrediction(torch.where(found_N, proba_NC.argmax(-1), num_classes), proba_NC)


def confidence(winner_N: Tensor, proba_NC: Tensor) -> Tensor:
    """Return the probability of each prediction, (N,); 0 if there is none."""
    known_N = winner_N < proba_NC.shape[1]
    of_winner_N = proba_NC.gather(1, winner_N.clamp(max=proba_NC.shape[1] - 1)[:, None]).squeeze(1)
    return torch.where(known_N, of_winner_N, 0.0)


def listed(options_NO: Tensor, num_classes: int) -> Tensor:
    """Return which classes are among a question's options, (N, C) bool; all if it has none."""
    shown_NO = options_NO >= 0
    listed_NC = torch.zeros(len(options_NO), num_classes, dtype=torch.int32, device=options_NO.device)
    listed_NC = listed_NC.scatter_add(1, options_NO.clamp(min=0), shown_NO.to(torch.int32)) > 0
    return listed_NC | ~shown_NO.any(1, keepdim=True)


def metric_sizes(task: Task, may_abstain: bool) -> MetricSizes:
    """Return the sizes that a task's metrics need."""
    return MetricSizes(
        len(task.classes),
        len(task.query),
        task.num_clips,
        task.multi_label,
        task.positive,
        may_abstain=may_abstain,
    )
