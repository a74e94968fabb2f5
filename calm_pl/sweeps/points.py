"""What a sweep computes: its forward passes over the data, and the points of each pass."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

from calm_pl.config.schema import Config
from calm_pl.methods import METHODS, Reads
from calm_pl.metrics.info import METRICS, kinds_of
from calm_pl.sweeps.settings import (
    SWEPT,
    VOTER_COLUMNS,
    Combination,
    SweepJob,
    combinations,
    configured,
    is_share,
)

GRID, DEFAULT, LOO, ORACLE = "grid", "default", "loo", "oracle"
"""How a row's setting was chosen: from the grid; as configured; on the support; on the query."""

_DATA = ("last_n_tokens", "shots", "candidates", "n_options")


def reads(method: str) -> tuple[str, ...]:
    """Return the columns that a method reads; the others stay empty in its rows."""
    row = METHODS[method]
    if row.reads is Reads.OPTIONS:
        return ("last_n_tokens", "n_options")
    own = tuple(column for column, path in SWEPT.items() if path in row.settings.values())
    return (*_DATA, *own, *(("heldout_shots",) if "reliability_split" in own else ()))


class Point(NamedTuple):
    """One method with one setting.

    Attributes:
        case: case of the sweep; empty without cases.
        method: name of the method.
        chosen: how the setting was chosen; see `GRID`.
        config: the configuration that `fit-free` would use for it.
        settings: value of every column of `SWEPT`; None if the method does not read it.
    """

    case: str
    method: str
    chosen: str
    config: Config
    settings: dict[str, Any]

    @property
    def shots(self) -> int | None:
        """Support clips per class; None for all, and if the method takes no support."""
        return self.config.data.shots if self.method != "zero_shot" else None


class Pass(NamedTuple):
    """Points that share the model, the prompt and the clips.

    Attributes:
        config: configuration of the job that encodes; its shots are the largest number of any point.
        combinations: the points of the grid.
    """

    config: Config
    combinations: list[Combination]


def passes(job: SweepJob) -> list[Pass]:
    """Return the passes of a sweep, in the order of its points."""
    found: dict[str, Pass] = {}
    for one in combinations(job):
        config = configured(job, one.values)
        data = config.data
        # With fewer shots, the first clips of a draw are used; held-out clips come after them.
        shared = dataclasses.replace(data, shots=data.shots if data.heldout_shots else None)
        key = repr((config.model, shared))
        before = found.get(key)
        shots = data.shots if before is None else _most(before.config.data.shots, data.shots)
        config = dataclasses.replace(
            config,
            data=dataclasses.replace(data, shots=shots),
            methods=list(dict.fromkeys([*(before.config.methods if before else ()), *one.methods])),
        )
        found[key] = Pass(config, [*(before.combinations if before else ()), one])
    return list(found.values())


def points_of(job: SweepJob, one: Pass, num_heads: int) -> list[Point]:
    """Return the distinct points of a pass; settings that a method does not read add none.

    Args:
        job: the sweep.
        one: the pass.
        num_heads: H; this many heads or more count as all.
    """
    found: dict[Any, Point] = {}
    for combination in one.combinations:
        fixed = {
            c: v for c, v in combination.values.items() if c not in VOTER_COLUMNS or c in combination.given
        }
        varied = [c for c in combination.values if c not in fixed]
        for method in combination.methods:
            point = _point(job, combination, method, GRID, combination.values, num_heads)
            found.setdefault(_label(point), point)
            if not job.sweep.references or not any(column in reads(method) for column in varied):
                continue
            default = _point(job, combination, method, DEFAULT, fixed, num_heads)
            found.setdefault(_label(default), default)
            if METHODS[method].searches and default.config.voter.reliability_split != "heldout":
                voter = dataclasses.replace(default.config.voter, select="loo")
                loo = default._replace(chosen=LOO, config=dataclasses.replace(default.config, voter=voter))
                found.setdefault(_label(loo), loo)
    return list(found.values())


def too_many_heads(one: Pass, num_heads: int) -> list[int]:
    """Return the numbers of heads in the grid that exceed the model's."""
    named = {v for c in one.combinations for name in ("top_k", "sav_top_k") for v in [c.values.get(name)]}
    return sorted(v for v in named if isinstance(v, int) and v > num_heads)


def main_metric(job: SweepJob, multi_label: bool, positive: int | None) -> str:
    """Return the metric of the tables and the oracle: the configured one, else the task's main metric."""
    return job.sweep.metric or METRICS.main(kinds_of(multi_label, positive)).key


def _point(
    job: SweepJob, one: Combination, method: str, chosen: str, values: dict[str, Any], num_heads: int
) -> Point:
    config = configured(job, {c: _heads(c, v, num_heads) for c, v in values.items()})
    config = dataclasses.replace(config, methods=[method])
    settings = {
        column: _shown(column, _value(config, path), num_heads) if column in reads(method) else None
        for column, path in SWEPT.items()
    }
    return Point(one.case, method, chosen, config, settings)


def _heads(column: str, value: Any, num_heads: int) -> Any:
    """Convert a share of heads to their number, at least one."""
    return max(1, round(float(value[:-1]) / 100 * num_heads)) if is_share(value) else value


def _shown(column: str, value: Any, num_heads: int) -> Any:
    """Return a value as in the table, where heads are a number."""
    if column not in ("top_k", "sav_top_k"):
        return value
    return num_heads if value is None else min(value, num_heads)


def _value(config: Config, path: str) -> Any:
    section, name = path.split(".")
    return getattr(getattr(config, section), name)


def _label(point: Point) -> tuple[Any, ...]:
    return (point.case, point.method, point.chosen, *point.settings.values())


def _most(*shots: int | None) -> int | None:
    """Return the largest number of shots; None means all."""
    known: Sequence[int] = [one for one in shots if one is not None]
    return max(known) if len(known) == len(shots) else None
