"""The `sweep` section: which settings to vary, with values checked by the settings' own rules."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import itertools
import json
import re
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Optional

from calm_pl.config.compose import checked, compose, config_hash
from calm_pl.config.cross_faults import cross_faults
from calm_pl.config.schema import Config, VoterConfig
from calm_pl.errors import ConfigError
from calm_pl.methods import METHODS, Method, Reads
from calm_pl.metrics.info import METRICS
from calm_pl.sweeps.table import NOT_VARIED

VOTER_COLUMNS = tuple(f.name for f in dataclasses.fields(VoterConfig) if f.name not in NOT_VARIED)
SWEPT = {
    "last_n_tokens": "model.last_n_tokens",
    "shots": "data.shots",
    "heldout_shots": "data.heldout_shots",
    "n_options": "data.n_options",
    "candidates": "data.candidates",
    **{name: f"voter.{name}" for name in VOTER_COLUMNS},
}
"""Columns of the table, and the setting that each one holds and that a sweep may vary."""
_MAY_BE_ALL = ("shots", "top_k", "sav_top_k")
_OF_HEADS = ("top_k", "sav_top_k")
_UNKEPT = {
    Reads.HIDDEN: "hidden states",
    Reads.TOWER: "the audio tower",
    Reads.HEADS_AND_TOWER: "the audio tower",
}
_INSTEAD = {
    "data.draws": "each draw already has a row in the table; set data.draws outside the sweep",
    "data.fold": "each fold already has a row in the table; set data.fold=all outside the sweep",
    "methods": "each method already has a row in the table; list them in methods, or in a case",
    "voter.sharpness": "it changes the confidence of predictions, not the predictions",
    "voter.select": "what `loo` selects is always computed in addition to the grid (sweep.references)",
}


@dataclass
class SweepConfig:
    """What a sweep varies."""

    grid: dict[str, Any] = field(default_factory=dict)
    """Settings as in the configuration, each with a list of values; all combinations are evaluated."""
    cases: dict[str, Any] = field(default_factory=dict)
    """Named settings, each combined with the grid; a case may name its own `methods`."""
    metric: Optional[str] = None
    """Metric of the printed tables and of the oracle; null is the benchmark's main metric."""
    references: bool = True
    """Also evaluate the configured setting, and the one that `select: loo` selects on the support."""


@dataclass
class SweepJob(Config):
    """A job with its sweep."""

    sweep: SweepConfig = field(default_factory=SweepConfig)


class Combination(NamedTuple):
    """One point of the grid in one case.

    Attributes:
        case: name of the case; empty without cases.
        methods: the methods to evaluate.
        values: varied settings by column; heads may be a share, such as `30%`.
        given: the columns that the case sets.
    """

    case: str
    methods: tuple[str, ...]
    values: dict[str, Any]
    given: dict[str, Any]


def load_sweep(files: Sequence[str], overrides: Sequence[str]) -> SweepJob:
    """Load a configuration with a `sweep` section; see `load_config`.

    Raises:
        ConfigError: all problems at once, including those of every value in the sweep.
    """
    faults: list[str] = []
    job = compose(SweepJob, files, overrides, faults)
    if isinstance(job.sweep, SweepConfig):
        faults += _sweep_faults(job)
    if not faults:
        faults += _faults_together(job)
    if faults:
        raise ConfigError(faults)
    return job


def combinations(job: SweepJob) -> list[Combination]:
    """Return all points of a checked job, cases first, then the grid in its order."""
    axes = {column: values for column, (_, values) in _leaves(job.sweep.grid).items()}
    found = []
    for name, case in (job.sweep.cases or {"": {}}).items():
        settings = {column: value for column, (_, value) in _leaves(case or {}).items()}
        methods = tuple(settings.pop("methods", job.methods))
        for point in itertools.product(*axes.values()):
            values = settings | dict(zip(axes, point, strict=True))
            plain = {column: _converted(column, value) for column, value in values.items()}
            found.append(Combination(name, methods, plain, {c: plain[c] for c in settings}))
    return found


def configured(config: Config, values: Mapping[str, Any]) -> Config:
    """Return a plain configuration with the varied settings inserted; shares of heads count as all."""
    sections = {name: getattr(config, name) for name in ("model", "data", "voter")}
    for column, value in values.items():
        section, name = SWEPT[column].split(".")
        value = None if is_share(value) else value
        sections[section] = dataclasses.replace(sections[section], **{name: value})
    rest = {f.name: getattr(config, f.name) for f in dataclasses.fields(Config)}
    return Config(**{**rest, **sections})


def is_share(value: Any) -> bool:
    """Return whether a number of heads is given as a share."""
    return isinstance(value, str) and value.endswith("%")


def sweep_hash(job: SweepJob) -> str:
    """Return the SHA-256 of the settings that can change the table."""
    plain = [config_hash(job), dataclasses.asdict(job.sweep)]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def _leaves(section: Mapping[str, Any], path: str = "") -> dict[str, tuple[str, Any]]:
    """Return values and their paths, by column, or by path if they have no column."""
    columns = {path: column for column, path in SWEPT.items()}
    found: dict[str, tuple[str, Any]] = {}
    for key, value in section.items():
        here = f"{path}{key}"
        if isinstance(value, Mapping):
            found |= _leaves(value, f"{here}.")
        else:
            found[columns.get(here, here)] = (here, value)
    return found


def _sweep_faults(job: SweepJob) -> list[str]:
    """Return the problems of single keys and values."""
    sweep, faults = job.sweep, list[str]()
    if not isinstance(sweep.grid, Mapping) or not isinstance(sweep.cases, Mapping):
        return faults  # told already
    if not sweep.grid and not sweep.cases:
        return [
            "sweep.grid: must vary at least one setting, as in sweep.grid.voter.top_k=[5,10,all];"
            " or use a shipped one, as in --config sweeps/table2.yaml"
        ]
    if sweep.metric is not None and sweep.metric not in METRICS:
        known = ", ".join(METRICS.keys())
        faults.append(f"sweep.metric: must be one of {known}, but is {sweep.metric!r}")
    if job.voter.select != "none":
        faults.append(
            f"voter.select: must be none in a sweep, but is {job.voter.select}: sweep.references adds it"
        )
    if job.data.support_labels != "truth":
        faults.append("data.support_labels: must be truth in a sweep; pseudo-labels are for fit-free")
    for path, values in _leaves(sweep.grid).values():
        where = f"sweep.grid.{path}"
        if path not in SWEPT.values():
            faults.append(f"{where}: {_cannot(path, 'sweep.grid.')}")
        elif not isinstance(values, list) or not values:
            faults.append(f"{where}: must be a list of values, but is {values!r}")
        else:
            for place, value in enumerate(values):
                _check(path, value, f"{where}[{place}]", faults)
                if value in values[:place]:
                    faults.append(f"{where}[{place}]: must be given once, but {value!r} is a repetition")
    for name, case in sweep.cases.items():
        if case is not None and not isinstance(case, Mapping):
            faults.append(f"sweep.cases.{name}: must be a section with keys, but is {case!r}")
            continue
        for path, value in _leaves(case or {}).values():
            where = f"sweep.cases.{name}.{path}"
            if path == "methods":
                unknown = [one for one in value if one not in METHODS] if isinstance(value, list) else [value]
                known = ", ".join(METHODS.keys())
                faults += [f"{where}: must name methods among {known}, but names {one!r}" for one in unknown]
            elif path not in SWEPT.values():
                faults.append(f"{where}: {_cannot(path, f'sweep.cases.{name}.')}")
            else:
                _check(path, value, where, faults)
                if path in (axis for axis, _ in _leaves(sweep.grid).values()):
                    faults.append(f"{where}: is also in sweep.grid; remove it from one of them")
    return faults


def _faults_together(job: SweepJob) -> list[str]:
    """Return the problems of combinations, each once."""
    faults: dict[str, None] = {}
    for one in combinations(job):
        config = configured(job, one.values)
        config = dataclasses.replace(config, methods=list(one.methods))
        faults |= dict.fromkeys(f"in the sweep: {fault}" for fault in cross_faults(config))
        faults |= dict.fromkeys(
            f"methods: {name} reads {_UNKEPT[METHODS[name].reads]}, which a sweep does not keep; evaluate it"
            " with fit-free"
            for name in one.methods
            if name in METHODS and METHODS[name].reads in _UNKEPT
        )
        faults |= dict.fromkeys(
            f"methods: {name} looks at the query as a whole, which a sweep does not; evaluate it with"
            " fit-free"
            for name in one.methods
            if name in METHODS and METHODS[name].transductive
        )
        faults |= dict.fromkeys(
            f"methods: {name} compares clips with sentences about classes, which a sweep does not; evaluate"
            " it with fit-free"
            for name in one.methods
            if name in METHODS and METHODS[name].needs_texts
        )
        faults |= dict.fromkeys(
            f"methods: {name} reads zero-shot answers about the support, which a sweep does not keep;"
            " evaluate it with fit-free"
            for name in one.methods
            if name in METHODS and METHODS[name].reads is Reads.HEADS and _needs_answers(METHODS[name])
        )
    return list(faults)


def _needs_answers(row: Method) -> bool:
    return row.voter is None and not row.transductive and not row.needs_texts


def _cannot(path: str, before: str) -> str:
    """Explain why a key cannot be varied."""
    if path in _INSTEAD:
        return f"cannot be varied: {_INSTEAD[path]}"
    near = difflib.get_close_matches(path, SWEPT.values(), 1)
    hint = f"; did you mean {before}{near[0]}?" if near else ""
    return f"cannot be varied; choose one of {', '.join(SWEPT.values())}{hint}"


def _converted(column: str, value: Any) -> Any:
    """Convert a checked value to the type of its setting."""
    return value if is_share(value) else _check(SWEPT[column], value, "", [])


def _check(path: str, value: Any, where: str, faults: list[str]) -> Any:
    """Check one value against its setting's rule and type; heads may also be a share."""
    section, name = path.split(".")
    if value == "all" and name in _MAY_BE_ALL:
        return None
    if name in _OF_HEADS and isinstance(value, str):
        match = re.fullmatch(r"(\d+(?:\.\d+)?)%", value)
        if match is None or not 0 < float(match[1]) <= 100:
            faults.append(
                f"{where}: must be a number of heads, a share such as 30%, or all, but is {value!r}"
            )
        return value
    schema = typing.get_type_hints(Config)[section]
    spec = next(f for f in dataclasses.fields(schema) if f.name == name)
    return checked(value, typing.get_type_hints(schema)[name], spec, where, faults)
