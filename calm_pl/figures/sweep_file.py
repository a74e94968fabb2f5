"""Read a sweep's table: one row per method, setting, fold and draw."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from calm_pl.cells import unguarded
from calm_pl.errors import DataError
from calm_pl.figures.run import Drawing, LeftOut
from calm_pl.figures.sparsity import Point, accuracy_over_heads_figure, shots_by_heads_figure
from calm_pl.methods import METHODS

NEEDED = ("method", "top_k", "shots", "fold", "draw", "accuracy")
_ALL_HEADS = ("", "all", "none", "null")


class Row(NamedTuple):
    """One result.

    Attributes:
        method: key of the method.
        k: number of heads kept; None for all.
        shots: support clips per class.
        accuracy: a fraction.
    """

    method: str
    k: int | None
    shots: int
    accuracy: float


def read_sweep(path: str | Path, where: Mapping[str, str] | None = None) -> list[Row]:
    """Read the rows of a CSV with at least the columns `NEEDED`; `top_k` is a number, or empty or `all`.

    In a table written by the command `sweep`, rows with an empty `top_k` belong to methods that do not read
    it and are ignored, as are rows outside the grid unless `where` names another `chosen`.

    Args:
        path: the CSV.
        where: use only rows with these values in these columns.

    Raises:
        DataError: a column is missing, a value is invalid, no row is left, or several rows have the same
            method, heads, shots, fold and draw: another setting was varied, and `where` must select a value.
    """
    path, where = Path(path), dict(where or {})
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            columns = list(reader.fieldnames or ())
            table = [
                {name: unguarded(cell) if isinstance(cell, str) else cell for name, cell in row.items()}
                for row in reader
            ]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as a sweep's table: {error}") from error
    missing = [name for name in (*NEEDED, *where) if name not in columns]
    if missing:
        raise DataError(
            f"{path}: has no column {', '.join(missing)}; it has {', '.join(columns) or 'none'}. A sweep's"
            f" table has {', '.join(NEEDED)}."
        )
    if "chosen" in columns:
        where.setdefault("chosen", "grid")
    if "heads" in columns:
        table = [row if row["top_k"] else {} for row in table]
    kept = {
        line: row
        for line, row in enumerate(table, 2)
        if row and all(_same(row[name], value) for name, value in where.items())
    }
    if not kept:
        raise DataError(f"{path}: has no row{' where ' + _words(where) if where else ''}.")
    _refuse_mixed(path, list(kept.values()), columns)
    return [_row(path, line, row) for line, row in kept.items()]


def _row(path: Path, line: int, row: dict[str, str]) -> Row:
    try:
        k = None if row["top_k"].strip().lower() in _ALL_HEADS else int(float(row["top_k"]))
        found = Row(row["method"], k, int(float(row["shots"])), float(row["accuracy"]))
    except (ValueError, AttributeError) as error:
        raise DataError(
            f"{path}, line {line}: {error}; top_k, shots and accuracy must be numbers."
        ) from error
    if not 0 <= found.accuracy <= 1:
        raise DataError(
            f"{path}, line {line}: accuracy must be a fraction between 0 and 1, but is {found.accuracy}."
        )
    return found


def _refuse_mixed(path: Path, rows: Sequence[dict[str, str]], columns: Sequence[str]) -> None:
    groups: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in NEEDED[:-1]), []).append(row)
    for key, same in groups.items():
        if len(same) > 1:
            varied = [c for c in columns if c not in NEEDED and len({row[c] for row in same}) > 1]
            hint = f"; choose a value with --where {varied[0]}={same[0][varied[0]]}" if varied else ""
            raise DataError(
                f"{path}: {len(same)} rows have {_words(dict(zip(NEEDED[:-1], key, strict=True)))}"
                f"{', and differ in ' + ', '.join(varied) if varied else ''}{hint}."
            )


def _same(found: str, wanted: str) -> bool:
    """Compare as numbers if both are, else as text."""
    try:
        return float(found) == float(wanted)
    except ValueError:
        return found.strip() == wanted


def _words(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())


def sweep_drawings(
    rows: Sequence[Row], num_heads: int | None = None, shots: int | None = None
) -> list[Drawing | LeftOut]:
    """Return those of the paper's figures 4 and 5 that the sweep has results for.

    Args:
        rows: the result of `read_sweep`.
        num_heads: H, if known.
        shots: number of shots in figure 4; the largest if None.

    Raises:
        DataError: the sweep has no such number of shots.
    """
    cells: dict[str, dict[tuple[int, int | None], list[float]]] = {}
    for row in rows:
        place = cells.setdefault(METHODS.title(row.method), {})
        place.setdefault((row.shots, row.k), []).append(row.accuracy)
    # A method that does not select heads, such as zero-shot, has only one k.
    cells = {name: one for name, one in cells.items() if len({k for _, k in one}) > 1}
    known = sorted({row.shots for row in rows})
    if shots is not None and shots not in known:
        raise DataError(f"The sweep has results for {', '.join(map(str, known))} shots, not for {shots}.")
    if not cells:
        reason = "no method has results for several numbers of heads"
        return [LeftOut("accuracy_over_heads", reason), LeftOut("shots_by_heads", reason)]
    return [
        _over_heads(cells, num_heads, known[-1] if shots is None else shots),
        _shots_by_heads(cells, num_heads),
    ]


def _over_heads(
    cells: Mapping[str, Mapping[tuple[int, int | None], list[float]]], num_heads: int | None, shots: int
) -> Drawing | LeftOut:
    curves = {
        name: [Point(k, accuracies) for (s, k), accuracies in one.items() if s == shots]
        for name, one in cells.items()
    }
    curves = {name: points for name, points in curves.items() if points}
    rounds = max(len(point.accuracies) for points in curves.values() for point in points)
    band = f"; bands are standard deviations over {rounds} folds and draws" if rounds > 1 else ""
    return Drawing(
        "accuracy_over_heads",
        "Accuracy by number of heads",
        f"Accuracy with {shots} shots by the number of heads kept{band}.",
        lambda theme, width: accuracy_over_heads_figure(
            curves, num_heads=num_heads, theme=theme, **({} if width is None else {"width": width})
        ),
    )


def _shots_by_heads(
    cells: Mapping[str, Mapping[tuple[int, int | None], list[float]]], num_heads: int | None
) -> Drawing | LeftOut:
    if len({s for one in cells.values() for s, _ in one}) < 2:
        return LeftOut("shots_by_heads", "the sweep has one number of shots")
    panels = {
        name: {place: float(np.mean(accuracies)) for place, accuracies in one.items()}
        for name, one in cells.items()
    }
    return Drawing(
        "shots_by_heads",
        "Accuracy by shots and heads",
        "Mean accuracy in % by shots and number of heads kept; in each row, the number of heads that is best"
        " on the query (oracle) is framed.",
        lambda theme, width: shots_by_heads_figure(panels, num_heads=num_heads, theme=theme, width=width),
    )
