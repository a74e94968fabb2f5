"""Benchmarks, the questions asked about their clips, and loaders. Floor 2. Independent of any model.

Every file of `data/benchmarks/` is a benchmark of its name. Other packages add theirs through entry points of
the group `calm_pl.benchmarks`, and files of a user's own through `plugins`.
"""

from __future__ import annotations

import difflib
import importlib
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calm_pl.entry_points import described, load_point, points_of
from calm_pl.errors import DataError

if TYPE_CHECKING:
    from calm_pl.data.benchmark import Benchmark
    from calm_pl.data.facts import Facts

PLUGIN_GROUP = "calm_pl.benchmarks"
_OWN = ("folder", "manifest", "huggingface")


def _shipped() -> dict[str, str]:
    files = sorted((Path(__file__).parent / "benchmarks").glob("[a-z]*.py"))
    return {path.stem: f"calm_pl.data.benchmarks.{path.stem}" for path in files} | {
        name: f"calm_pl.data.own.{name}" for name in _OWN
    }


BENCHMARKS = _shipped()
"""Modules by name, imported when used; `module:Class` where a module holds several."""


def benchmark_names() -> list[str]:
    """Return the built-in benchmarks, whose names cannot be taken, then those of other packages by name."""
    return [*BENCHMARKS, *_plugins()]


def benchmark_class(name: str) -> type[Benchmark]:
    """Return the class of a benchmark.

    Raises:
        DataError: no such benchmark, or one of another package that cannot be loaded.
    """
    if name in BENCHMARKS:
        return _class_in(*BENCHMARKS[name].partition(":")[::2])
    plugins = _plugins()
    if name in plugins:
        return _load(plugins[name])
    near = difflib.get_close_matches(name, benchmark_names(), 1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise DataError(f"There is no benchmark {name!r}.{hint} There are: {', '.join(benchmark_names())}.")


def benchmark_facts(name: str) -> Facts:
    """Return facts about a benchmark.

    Raises:
        DataError: as `benchmark_class`.
    """
    return benchmark_class(name).facts


def add_benchmark(name: str, cls: type[Benchmark]) -> None:
    """Add a benchmark of a user's own file.

    Raises:
        DataError: the name is taken by another, or it is no benchmark.
    """
    where = f"{cls.__module__}:{cls.__name__}" if isinstance(cls, type) else ""
    if BENCHMARKS.get(name, where) != where:
        raise DataError(f"There is a benchmark {name!r} already; rename the new one.")
    _check(cls, f"The benchmark {name!r}")
    BENCHMARKS[name] = where


def _class_in(module: str, name: str) -> type[Benchmark]:
    from calm_pl.data.benchmark import Benchmark

    found = importlib.import_module(module)
    if name:
        cls: type[Benchmark] = getattr(found, name)
        return cls
    own = [
        one
        for one in vars(found).values()
        if isinstance(one, type) and issubclass(one, Benchmark) and one.__module__ == module
    ]
    return own[0]


def _plugins() -> dict[str, EntryPoint]:
    """Return entry points of other packages by name."""
    return {name: point for name, point in points_of(PLUGIN_GROUP).items() if name not in BENCHMARKS}


def _load(point: EntryPoint) -> type[Benchmark]:
    cls = load_point(point, "The benchmark", lambda problem: DataError(f"{problem}; the others work."))
    return _check(cls, described(point, "The benchmark"))


def _check(cls: Any, where: str) -> type[Benchmark]:
    from calm_pl.data.benchmark import Benchmark
    from calm_pl.data.facts import Facts

    if not (isinstance(cls, type) and issubclass(cls, Benchmark)):
        raise DataError(f"{where} must be a subclass of Benchmark, but is {cls!r}.")
    if not isinstance(getattr(cls, "facts", None), Facts):
        raise DataError(f"{where} must have `facts`, a calm_pl.data.facts.Facts.")
    return cls
