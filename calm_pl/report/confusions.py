"""What each class is confused with, and its worst clips."""

from __future__ import annotations

from collections import Counter
from itertools import groupby, zip_longest
from typing import Any, NamedTuple

import numpy as np

from calm_pl.runs.predictions import RunPredictions

MISTAKEN_SHOWN = 8  # per class, method and direction
CLIPS_SHOWN = 6  # a class


class ShownClip(NamedTuple):
    """A question about a clip, with the methods' most frequent predictions over all draws.

    Attributes:
        position: position of the question.
        label: its class.
        predictions: for each method, the most frequent class index (C for no prediction), the share of draws
            that predict it, and their mean confidence.
        wrong: share of wrong predictions over methods and draws.
    """

    position: int
    label: int
    predictions: tuple[tuple[int, float, float], ...]
    wrong: float


def accuracies(table: RunPredictions) -> np.ndarray:
    """Return the accuracy by class and method, mean over draws, (C, M); NaN without questions."""
    count_C = class_counts(table)
    right_QM = table.right_QDM.mean(1)
    sums_CM = np.stack([np.bincount(table.label_Q, column, len(count_C)) for column in right_QM.T], axis=1)
    return np.divide(sums_CM, count_C[:, None], out=np.full_like(sums_CM, np.nan), where=count_C[:, None] > 0)


def class_counts(table: RunPredictions) -> np.ndarray:
    """Count the questions of each class, (C,)."""
    return np.bincount(table.label_Q, minlength=len(table.classes))


def mistaken(table: RunPredictions, method: int) -> dict[tuple[int, int], float]:
    """Return wrong predictions by (truth, predicted), mean over draws."""
    draws = table.predicted_QDM.shape[1]
    counts = Counter(
        (truth, predicted)
        for truth, predicted in zip(
            table.label_Q.tolist(), table.predicted_QDM[..., method].tolist(), strict=True
        )
        for predicted in predicted
        if predicted != truth
    )
    return {cell: count / draws for cell, count in counts.items()}


def confusion_data(table: RunPredictions, method: int) -> dict[str, Any]:
    """Return a method's confusions for the page: the most frequent per class, and the number omitted."""
    cells = mistaken(table, method)
    wrong: list[list[list[float]]] = []
    rest: list[int] = []
    by_truth = {
        truth: sorted(
            ((count, predicted) for (_, predicted), count in some), key=lambda one: (-one[0], one[1])
        )
        for truth, some in groupby(sorted(cells.items()), key=lambda item: item[0][0])
    }
    for truth in range(len(table.classes)):
        ranked = by_truth.get(truth, [])
        wrong.append([[predicted, round(count, 2)] for count, predicted in ranked[:MISTAKEN_SHOWN]])
        rest.append(max(0, len(ranked) - MISTAKEN_SHOWN))
    return {"wrong": wrong, "rest": rest}


def shown_clips(table: RunPredictions) -> list[list[ShownClip]]:
    """Return the clips per class, the worst first: most often wrong, then most confidently."""
    wrong_Q = 1 - table.right_QDM.mean((1, 2))
    sure_Q = np.where(table.right_QDM, -table.confidence_QDM, table.confidence_QDM).mean((1, 2))
    by_class: list[list[ShownClip]] = []
    for c in range(len(table.classes)):
        positions = np.flatnonzero(table.label_Q == c)
        ranked = positions[np.lexsort((positions, -sure_Q[positions], -wrong_Q[positions]))]
        by_class.append(
            [ShownClip(int(q), c, _predictions(table, q), float(wrong_Q[q])) for q in ranked[:CLIPS_SHOWN]]
        )
    return by_class


def in_turn(by_class: list[list[ShownClip]], most: int) -> list[ShownClip]:
    """Return the worst clip of each class, then the second worst of each, and so on.

    Args:
        by_class: clips of each class, worst first.
        most: maximum number of clips per class.
    """
    turns = zip_longest(*(clips[:most] for clips in by_class))
    return [clip for turn in turns for clip in turn if clip is not None]


def _predictions(table: RunPredictions, position: int) -> tuple[tuple[int, float, float], ...]:
    found = []
    for m in range(len(table.methods)):
        predicted_D = table.predicted_QDM[position, :, m]
        winner = int(np.bincount(predicted_D).argmax())
        gave = predicted_D == winner
        sure = float(table.confidence_QDM[position, gave, m].mean())
        found.append((winner, round(float(gave.mean()), 3), round(sure, 3)))
    return tuple(found)
