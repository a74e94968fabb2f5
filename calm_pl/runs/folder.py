"""A finished run, read from its folder."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from calm_pl.cells import unguarded
from calm_pl.errors import RunError
from calm_pl.regular_files import read_regular
from calm_pl.runs.predictions import PREDICTIONS_HASH, RunPredictions, predictions_hash, read_predictions
from calm_pl.runs.result_rules import fault_of

RESULTS = "results.json"
SUITE = "suite.json"
"""The file of a suite: its runs in the order of its table."""
"""The file that a run writes last."""
_MASK = "mask.safetensors"  # `fit-mask` leaves a RESULTS of another kind beside it
LIMITED = "limited: not a result"
"""Marks what was computed with `data.limit`."""


def title_of(benchmark: str, model: str, limit: int | None) -> str:
    """Return what stands above the results of a run."""
    return " · ".join([benchmark, model, *([] if limit is None else [LIMITED])])


@dataclass(frozen=True)
class RunFolder:
    """What a run left.

    Attributes:
        path: the folder.
        results: `results.json`.
        config_yaml: `config.yaml`; empty where there is none.
    """

    path: Path
    results: dict[str, Any]
    config_yaml: str

    @property
    def name(self) -> str:
        """The folder's."""
        return self.path.resolve().name

    @property
    def title(self) -> str:
        """What stands above its results."""
        return title_of(self.results["benchmark"], self.results["model"], self.results.get("limited"))

    @cached_property
    def config(self) -> dict[str, Any]:
        """The configuration as plain values."""
        return yaml.safe_load(self.config_yaml) or {}

    @cached_property
    def methods(self) -> dict[str, dict[str, Any]]:
        """Entries of the methods in `results.json`."""
        return dict(self.results["methods"])

    @cached_property
    def predictions(self) -> RunPredictions:
        """`predictions.csv`, read on first use.

        Raises:
            RunError: not there, or not such a file.
        """
        return read_predictions(self.path / "predictions.csv", self.results.get("classes", ()))

    def rows(self, name: str) -> list[list[str]]:
        """Rows of a CSV file without its header; none where the file is not there."""
        path = self.path / name
        if not path.is_file():
            return []
        with path.open(newline="", encoding="utf-8") as file:
            return [[unguarded(cell) for cell in row] for row in csv.reader(file)][1:]


def _refuse_mixed(path: Path, results: dict[str, Any]) -> None:
    file, belongs = path / "predictions.csv", results.get(PREDICTIONS_HASH)
    if belongs is not None and file.is_file() and predictions_hash(file) != belongs:
        raise RunError(
            f"{file}: is not the one that {path / RESULTS} was written with: another run wrote it,"
            " or it was changed. Run the job again."
        )


def read_results(path: str | Path) -> RunFolder:
    """Read a run folder, but not yet its predictions.

    Raises:
        RunError: no finished run.
    """
    path = Path(path)
    try:
        results = json.loads(read_regular(path / RESULTS))
        benchmark, model, methods = results["benchmark"], results["model"], results["methods"]
        found = isinstance(benchmark, str) and isinstance(model, str) and isinstance(methods, dict)
    except FileNotFoundError as error:
        raise RunError(
            f"{path}: contains no finished run: results.json is not in it. Give the run's folder, as in"
            " runs/NAME."
        ) from error
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunError(f"{path / RESULTS}: cannot be read as results: {error!r}") from error
    if not found or not methods:
        raise RunError(f"{path / RESULTS}: names no benchmark, model or method.")
    if (fault := fault_of(results)) is not None:
        raise RunError(f"{path / RESULTS}: cannot be read as results: {fault}.")
    _refuse_mixed(path, results)
    config = path / "config.yaml"
    text = config.read_text(encoding="utf-8") if config.is_file() else ""
    return RunFolder(path, results, text)


def read_run(path: str | Path) -> RunFolder:
    """Read a run folder with its predictions.

    Raises:
        RunError: no finished run.
    """
    run = read_results(path)
    _ = run.predictions
    return run


def find_runs(paths: Iterable[str | Path]) -> list[RunFolder]:
    """Read run folders, each once, without their predictions yet.

    Args:
        paths: run folders, or folders of run folders, of which those without a finished run are passed over;
            those of a suite come in its order, others by name.

    Raises:
        RunError: a path is neither.
    """
    found: dict[Path, RunFolder] = {}
    for path in map(Path, paths):
        inside = [] if (path / RESULTS).exists() else _in_order(path, sorted(path.glob(f"*/{RESULTS}")))
        folders = [one.parent for one in inside if not (one.parent / _MASK).exists()] or [path]
        for folder in folders:
            found.setdefault(folder.resolve(), read_results(folder))
    return list(found.values())


def _in_order(folder: Path, files: list[Path]) -> list[Path]:
    """Return files of runs, those of a suite first and in its order."""
    try:
        names = list(map(str, json.loads(read_regular(folder / SUITE))["runs"]))
    except (OSError, ValueError, KeyError, TypeError):  # no suite, or a damaged file, which only sorts
        return files
    return sorted(
        files, key=lambda file: names.index(file.parent.name) if file.parent.name in names else len(names)
    )
