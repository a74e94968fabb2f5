"""Facts about a finished run from its files, so that its figures can be drawn again."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from calm_pl.atomic_files import replacing
from calm_pl.errors import RunError
from calm_pl.figures.agreement import Agreement
from calm_pl.figures.methods import Estimate
from calm_pl.figures.run import Answered, HeadFacts, RunFacts
from calm_pl.methods import METHODS
from calm_pl.metrics.info import METRICS, MetricInfo, kinds_in

AGREEMENT = "agreement.json"


def main_metric(values: Mapping[str, Any]) -> MetricInfo:
    """Return what a task is decided by, from what a method reached in it."""
    return METRICS.main(kinds_in(values), values)


def read_run(folder: str | Path) -> RunFacts:
    """Facts from `results.json`, `predictions.csv`, `classifier.safetensors` and `figures/agreement.json`.

    Args:
        folder: of the run.

    Raises:
        RunError: a file is missing or is not what a run writes.
    """
    folder = Path(folder)
    results = _json(folder / "results.json")
    try:
        methods: dict[str, Any] = results["methods"]
        metric = main_metric(next(iter(methods.values())))
        classes, heads = _classes_and_heads(folder, results)
        label_N, answers, draws = _answers(folder / "predictions.csv", list(methods), classes)
        positive = results.get("positive")
        return RunFacts(
            classes,
            label_N,
            draws,
            {METHODS.title(method): one for method, one in answers.items()},
            {METHODS.title(method): _estimate(entry, metric.key) for method, entry in methods.items()},
            metric.title,
            None if positive is None else classes.index(positive),
            heads,
            _agreement(folder / "figures" / AGREEMENT),
        )
    except (KeyError, TypeError, AttributeError, StopIteration, ValueError) as error:
        raise RunError(
            f"{folder}: the files are not those of one run of this version ({type(error).__name__}: {error})."
        ) from error


def _estimate(entry: Mapping[str, Any], metric: str) -> Estimate:
    low, high = entry["ci95"].get(metric, (None, None))
    return Estimate(entry[metric], low, high, [one[metric] for one in entry.get("rounds", ())])


def _classes_and_heads(folder: Path, results: dict[str, Any]) -> tuple[list[str], HeadFacts | None]:
    path = folder / "classifier.safetensors"
    if not path.is_file():  # zero-shot alone fits nothing
        return _classes_seen(folder / "predictions.csv"), None
    from safetensors import SafetensorError, safe_open

    try:
        # As arrays: the classifier itself would import torch.
        with safe_open(path, framework="np") as file:
            classes = list(json.loads(file.metadata()["classes"]))
            if "calm.weights" not in file.keys():  # noqa: SIM118  - it is no dictionary
                return classes, None
            weights_CH, reliability_CH = file.get_tensor("calm.weights"), file.get_tensor("calm.reliability")
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise RunError(f"{path}: cannot be read as a classifier: {error}") from error
    return classes, HeadFacts(weights_CH, reliability_CH, results.get("heads", {}).get("layers"))


def _classes_seen(path: Path) -> list[str]:
    """Labels of the questions in alphabetical order, where nothing else tells the classes."""
    rows = _rows(path)
    return sorted(
        {row["label"] for row in rows} | {o for row in rows for o in row["options"].split("|") if o}
    )


def _answers(
    path: Path, methods: list[str], classes: list[str]
) -> tuple[np.ndarray, dict[str, Answered], int]:
    rows = _rows(path)
    if not rows:
        raise RunError(f"{path}: holds no answer.")
    number = {label: c for c, label in enumerate(classes)} | {"": len(classes)}
    label_N = np.array([number[row["label"]] for row in rows])
    answers = {
        method: Answered(
            np.array([number[row[method]] for row in rows]),
            np.array([float(row[f"{method}_confidence"]) for row in rows]),
        )
        for method in methods
    }
    return label_N, answers, len({row["draw"] for row in rows})


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}. Is this the folder of a run?") from error


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}. Is this the folder of a run?") from error
    except ValueError as error:
        raise RunError(f"{path}: is no JSON: {error}.") from error


def write_agreement(folder: str | Path, agreement: Mapping[str, Agreement]) -> None:
    """Keep what needs the heads of all rounds: `classifier.safetensors` has those of the first."""
    if not agreement:
        (Path(folder) / AGREEMENT).unlink(missing_ok=True)
        return
    content = {name: one._asdict() for name, one in agreement.items()}
    with replacing(Path(folder) / AGREEMENT) as part:
        part.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _agreement(path: Path) -> dict[str, Agreement]:
    if not path.is_file():
        return {}
    return {
        name: Agreement(
            tuple(one["k"]), tuple(one["mean"]), tuple(one["low"]), tuple(one["high"]), one["num_heads"]
        )
        for name, one in _json(path).items()
    }
