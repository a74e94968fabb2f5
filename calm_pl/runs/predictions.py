"""`predictions.csv`: its form, written and read here."""

from __future__ import annotations

import csv
import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from calm_pl.atomic_files import replacing
from calm_pl.cells import guarded_rows, unguarded
from calm_pl.errors import RunError
from calm_pl.regular_files import open_regular, read_regular

_CONFIDENCE = "_confidence"
PREDICTIONS_HASH = "predictions_sha256"
"""Field of `results.json` that says which `predictions.csv` belongs to it."""


class Question(NamedTuple):
    """What makes a question the same one in another run.

    Attributes:
        clip: its id.
        label: the true class.
        repeat: how many questions with that clip and label came before.
    """

    clip: str
    label: str
    repeat: int


class RunPredictions(NamedTuple):
    """All predictions of a run; Q questions, D draws, M methods, C classes.

    Attributes:
        methods: names.
        classes: labels in class order.
        questions: Q of them, in the order of the file.
        cluster_Q: names of what is drawn together (see `calm_pl.metrics.clusters`).
        label_Q: true classes.
        predicted_QDM: class indices, C where there is no prediction.
        confidence_QDM: probability of each prediction.
    """

    methods: tuple[str, ...]
    classes: tuple[str, ...]
    questions: tuple[Question, ...]
    cluster_Q: tuple[str, ...]
    label_Q: np.ndarray
    predicted_QDM: np.ndarray
    confidence_QDM: np.ndarray

    @property
    def right_QDM(self) -> np.ndarray:
        """Which predictions are right, bool."""
        return self.predicted_QDM == self.label_Q[:, None, None]


def header_of(methods: Sequence[str]) -> list[str]:
    """Return the columns of the file."""
    columns = ["clip", "fold", "draw", "label", "options", "cluster"]
    return columns + [name for method in methods for name in (method, method + _CONFIDENCE)]


def cells_of(label: str, confidence: float) -> tuple[str, str]:
    """Return the two cells of a prediction; an empty label is none."""
    return label, f"{confidence:.6f}"


def write_rows(path: Path, rows: Iterable[Sequence[str]]) -> None:
    """Write a header and its rows; the file appears under its name only when complete."""
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(guarded_rows(rows))


def predictions_hash(path: Path) -> str:
    """Return the SHA-256 of the file's bytes."""
    return hashlib.sha256(read_regular(path)).hexdigest()


def read_predictions(path: Path, classes: Iterable[str] = ()) -> RunPredictions:
    """Read a run's `predictions.csv`.

    Args:
        path: the file.
        classes: labels in class order; those that the file names follow, by name.

    Raises:
        RunError: not there, or not such a file.
    """
    try:
        with os.fdopen(open_regular(path), newline="", encoding="utf-8") as file:
            reader = ([unguarded(cell) for cell in row] for row in csv.reader(file))
            header = next(reader, [])
            rows = [row for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RunError(f"{path}: cannot be read as predictions: {error}") from error
    methods = tuple(name for name in header if name + _CONFIDENCE in header)
    absent = [name for name in ("clip", "draw", "label") if name not in header]
    if absent or not methods or not rows or any(len(row) != len(header) for row in rows):
        raise RunError(
            f"{path}: must have the columns clip, draw, label, and METHOD with METHOD_confidence, and a row"
            f" for each prediction, but has {header or 'nothing'}."
        )
    return _arranged(path, header, rows, methods, tuple(classes))


def _arranged(
    path: Path, header: list[str], rows: list[list[str]], methods: tuple[str, ...], classes: tuple[str, ...]
) -> RunPredictions:
    column = {name: place for place, name in enumerate(header)}
    label, cluster = column["label"], column.get("cluster", column["clip"])
    named = {row[place] for row in rows for place in (label, *(column[m] for m in methods))} - {""}
    classes = (*classes, *sorted(named - set(classes)))
    index = {name: number for number, name in enumerate(classes)} | {"": len(classes)}

    draws = list(dict.fromkeys(row[column["draw"]] for row in rows))
    place: dict[Question, int] = {}
    cluster_Q: list[str] = []
    cells: list[list[tuple[int, int]]] = [[] for _ in draws]  # question and row, by draw
    for number, draw in enumerate(draws):
        seen: Counter[tuple[str, str]] = Counter()
        for at, row in enumerate(rows):
            if row[column["draw"]] != draw:
                continue
            key = (row[column["clip"]], row[label])
            question = Question(*key, seen[key])
            seen[key] += 1
            if question not in place:
                place[question] = len(place)
                cluster_Q.append(row[cluster])
            cells[number].append((place[question], at))
    if any(len(one) != len(place) for one in cells):
        raise RunError(f"{path}: must have a prediction for every question in every draw, but does not.")

    shape = (len(place), len(draws), len(methods))
    predicted_QDM, confidence_QDM = np.zeros(shape, np.int64), np.zeros(shape)
    try:
        for d, one in enumerate(cells):
            for q, at in one:
                for m, method in enumerate(methods):
                    predicted_QDM[q, d, m] = index[rows[at][column[method]]]
                    confidence_QDM[q, d, m] = float(rows[at][column[method + _CONFIDENCE]])
    except ValueError as error:
        raise RunError(f"{path}: a confidence is not a number: {error}") from error
    questions = tuple(place)
    label_Q = np.array([index[question.label] for question in questions], dtype=np.int64)
    return RunPredictions(
        methods, classes, questions, tuple(cluster_Q), label_Q, predicted_QDM, confidence_QDM
    )
