"""Summary of a sweep over folds and draws, and how far fairly selected settings are from the best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from calm_pl.metrics import METRICS, spread_of
from calm_pl.sweeps.points import DEFAULT, GRID, LOO, ORACLE
from calm_pl.sweeps.settings import SWEPT, VOTER_COLUMNS
from calm_pl.sweeps.table import Row


class Place(NamedTuple):
    """What the rows of all rounds have in common.

    Attributes:
        case, method, chosen: as in the table.
        settings: values by column; for rows chosen by `loo`, without what it chose, which differs by round.
    """

    case: str
    method: str
    chosen: str
    settings: tuple[tuple[str, object], ...]


class Mean(NamedTuple):
    """A metric over rounds.

    Attributes:
        value: mean; NaN if a round has no value.
        sd: standard deviation over draws of means over folds, or over folds with one draw; None with one
            round.
    """

    value: float
    sd: float | None


class Gap(NamedTuple):
    """One method in one case, at one setting of data and model.

    Attributes:
        case, method: as in the table.
        settings: settings of data and model, by column.
        default: result as configured; None if not computed.
        loo: result of the setting selected on the support; None if not computed.
        oracle: result of the best grid point, selected on the query.
        best: the settings of the oracle.
    """

    case: str
    method: str
    settings: dict[str, object]
    default: Mean | None
    loo: Mean | None
    oracle: Mean
    best: dict[str, object]


class Around(NamedTuple):
    """The group of rows within which a voter's settings are compared."""

    case: str
    method: str
    settings: tuple[tuple[str, object], ...]


class Scored(NamedTuple):
    """A setting and its result."""

    mean: Mean
    place: Place


def means(rows: Sequence[Row], metric: str) -> dict[Place, Mean]:
    """Return means over folds and draws, in the order of the rows."""
    by_place: dict[Place, list[Row]] = {}
    for row in rows:
        by_place.setdefault(_place(row), []).append(row)
    return {place: _mean(some, metric) for place, some in by_place.items()}


def gaps(rows: Sequence[Row], metric: str) -> list[Gap]:
    """Return oracle, default and leave-one-out side by side, if a method's grid has several settings."""
    found: dict[Around, dict[str, list[Scored]]] = {}
    for place, mean in means([row for row in rows if row["chosen"] != ORACLE], metric).items():
        around = tuple((name, value) for name, value in place.settings if name not in VOTER_COLUMNS)
        by_choice = found.setdefault(Around(place.case, place.method, around), {})
        by_choice.setdefault(place.chosen, []).append(Scored(mean, place))
    gaps = []
    for one, by_choice in found.items():
        grid = [scored for scored in by_choice.get(GRID, ()) if not math.isnan(scored.mean.value)]
        if len(grid) < 2:
            continue
        sign = 1 if METRICS[metric].higher_is_better else -1
        oracle = max(grid, key=lambda scored: sign * scored.mean.value)
        best = {name: value for name, value in oracle.place.settings if name in VOTER_COLUMNS}
        default, loo = (by_choice[name][0].mean if name in by_choice else None for name in (DEFAULT, LOO))
        gaps.append(Gap(one.case, one.method, dict(one.settings), default, loo, oracle.mean, best))
    return gaps


def with_oracle(rows: Sequence[Row], metric: str) -> list[Row]:
    """Append each best setting's rows again, marked as selected on the query set."""
    best = {(one.case, one.method, *sorted((one.settings | one.best).items())) for one in gaps(rows, metric)}
    marked = []
    for row in rows:
        place = _place(row)
        if row["chosen"] == GRID and (place.case, place.method, *sorted(place.settings)) in best:
            marked.append(row | {"chosen": ORACLE})
    return [*rows, *marked]


def _place(row: Row) -> Place:
    names = [name for name in SWEPT if row["chosen"] != LOO or name not in VOTER_COLUMNS]
    return Place(row["case"], row["method"], row["chosen"], tuple((name, row[name]) for name in names))


def _mean(rows: Sequence[Row], metric: str) -> Mean:
    folds = list(dict.fromkeys(row["fold"] for row in rows))
    values_FD = np.array([[_number(row[metric]) for row in rows if row["fold"] == fold] for fold in folds])
    spread = spread_of(values_FD)
    return Mean(float(values_FD.mean()), spread.folds if spread.draws is None else spread.draws)


def _number(value: float | None) -> float:
    return math.nan if value is None else value
