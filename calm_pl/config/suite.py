"""Suites: several benchmarks and models from one configuration."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from omegaconf import MISSING, DictConfig, OmegaConf

from calm_pl.config.compose import compose
from calm_pl.config.layers import find_file, read_file
from calm_pl.config.schema import Config
from calm_pl.errors import ConfigError
from calm_pl.validation import Rule

_ROOTS = "data.roots."
_SOME = Rule("one name or more", lambda names: len(names) > 0)


@dataclass
class SuiteSettings:
    """Which benchmarks and models one command evaluates."""

    benchmarks: list[str] = field(default=MISSING, metadata={"rule": _SOME})
    """Configurations, by the name or path that `--config` takes, in the order of the table."""
    models: list[str] = field(default_factory=list)
    """Paths of models, as `model.path`; an empty list takes each configuration's own."""
    only: dict[str, Any] = field(default_factory=dict)
    """For a benchmark, the models to evaluate on it instead of all."""


@dataclass
class _File:
    suite: SuiteSettings = field(default_factory=SuiteSettings)
    roots: dict[str, Any] = field(default_factory=dict)


class SuiteJob(NamedTuple):
    """One run of a suite.

    Attributes:
        name: of its folder below the suite's.
        config: its configuration, with that folder as `run.dir`.
    """

    name: str
    config: Config


class Suite(NamedTuple):
    """Runs that belong together.

    Attributes:
        folder: where all of them go.
        jobs: those of a model one after the other.
        order: names of the jobs in the order of the table: by benchmark, then by model.
        left_out: benchmarks without data, and why, a sentence each.
    """

    folder: Path
    jobs: tuple[SuiteJob, ...]
    order: tuple[str, ...]
    left_out: tuple[str, ...]


def is_suite(files: Sequence[str], overrides: Sequence[str]) -> bool:
    """Return whether a command line names a suite: a file or an override has the section `suite`."""
    return any(text.startswith("suite.") for text in overrides) or any(map(_has_suite, files))


def _has_suite(name: str) -> bool:
    path = find_file(name)
    try:
        content = None if path is None else yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return False  # what is wrong with it is said where it is read
    return isinstance(content, dict) and "suite" in content


def load_suite(files: Sequence[str], overrides: Sequence[str]) -> Suite:
    """Compose the runs of a suite.

    Every run takes its benchmark's configuration, then the other sections of these files, then the overrides.

    Args:
        files: as for `load_config`; at least one has the section `suite`.
        overrides: `key=value`; `data.roots.NAME=FOLDER` is a benchmark's folder.

    Raises:
        ConfigError: all problems at once, by run.
    """
    faults: list[str] = []
    layers = [layer for name in files if (layer := read_file(name, Config, faults)) is not None]
    own, common = _parted(layers)
    mine = [text for text in overrides if text.startswith("suite.")]
    roots = [text.replace(_ROOTS, "roots.", 1) for text in overrides if text.startswith(_ROOTS)]
    others = [text for text in overrides if text not in mine and not text.startswith(_ROOTS)]
    settings = compose(_File, [], [*mine, *roots], faults, own)
    if faults:
        raise ConfigError(faults)
    faults += _unknown(settings)
    if faults:
        raise ConfigError(faults)
    base = next((Path(name).stem for name in files if _has_suite(name)), "suite")
    jobs, left_out = _jobs(settings, common, others, faults)
    if faults:
        raise ConfigError(faults)
    if not jobs:
        raise ConfigError([*left_out, f"give a folder: {_ROOTS}{settings.suite.benchmarks[0]}=FOLDER"])
    run = jobs[0].config.run
    folder = Path(run.dir or Path("runs") / (run.name or base))
    placed = {job.name: _placed(job, folder) for job in jobs}
    models = list(dict.fromkeys(job.config.model.path for job in jobs))
    by_model = sorted(placed.values(), key=lambda job: models.index(job.config.model.path))
    return Suite(folder, tuple(by_model), tuple(placed), tuple(left_out))


def _placed(job: SuiteJob, folder: Path) -> SuiteJob:
    config = job.config
    run = dataclasses.replace(config.run, dir=str(folder / job.name), name=None)
    wandb = dataclasses.replace(config.wandb, group=config.wandb.group or folder.name)
    return job._replace(config=dataclasses.replace(config, run=run, wandb=wandb))


def _parted(layers: Sequence[DictConfig]) -> tuple[list[DictConfig], list[DictConfig]]:
    """Return what layers say about the suite, and what they say about every run."""
    own, common = [], []
    for layer in layers:
        plain: Any = OmegaConf.to_container(layer)
        data = plain.get("data")
        roots = data.pop("roots", {}) if isinstance(data, dict) else {}
        own.append(OmegaConf.create({"suite": plain.pop("suite", {}), "roots": roots}))
        common.append(OmegaConf.create(plain))
    return own, common


def _unknown(settings: _File) -> list[str]:
    """Return a fault for each name that is no benchmark of the suite."""
    known = settings.suite.benchmarks
    sections = {"suite.only": settings.suite.only, "data.roots": settings.roots}
    return [
        f"{section}.{name}: must be among suite.benchmarks ({', '.join(known)})"
        for section, names in sections.items()
        for name in names
        if name not in known
    ]


def _jobs(
    settings: _File, common: Sequence[DictConfig], overrides: Sequence[str], faults: list[str]
) -> tuple[list[SuiteJob], list[str]]:
    jobs: list[SuiteJob] = []
    left_out = []
    for benchmark in settings.suite.benchmarks:
        models: Sequence[str | None] = settings.suite.only.get(benchmark, settings.suite.models) or [None]
        root = settings.roots.get(benchmark)
        for model in models:
            found: list[str] = []
            given = [
                *([] if model is None else [f"model.path={model}"]),
                *([] if root is None else [f"data.root={root}"]),
            ]
            config = compose(Config, [benchmark], [*overrides, *given], found, common)
            if root is None and [one for one in found if one.startswith("data.root: is required")]:
                left_out.append(f"{benchmark} is left out: {_ROOTS}{benchmark} is not set.")
                break
            if found:
                faults += [f"{benchmark}: {fault}" for fault in found]
            else:
                jobs.append(SuiteJob(_name(benchmark, config, jobs), config))
    return jobs, left_out


def _name(benchmark: str, config: Config, others: Sequence[SuiteJob]) -> str:
    model = Path(config.model.path.removeprefix("bundled:")).name
    name = f"{Path(benchmark).stem}-{model}"
    taken: Mapping[str, Any] = {job.name: job for job in others}
    return next(one for one in (name, *(f"{name}-{n}" for n in range(2, 1000))) if one not in taken)
