"""Read the facts about a finished run from its files, so that its figures can be redrawn."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from calm_pl.atomic_files import write_text
from calm_pl.errors import RunError
from calm_pl.figures.agreement import Agreement
from calm_pl.figures.methods import Estimate
from calm_pl.figures.run import HeadFacts, MethodPredictions, RunFacts
from calm_pl.methods import METHODS
from calm_pl.metrics.info import METRICS, MetricInfo, kinds_in
from calm_pl.regular_files import read_regular
from calm_pl.runs import RunFolder

AGREEMENT = "agreement.json"


def main_metric(values: Mapping[str, Any]) -> MetricInfo:
    """Return the main metric of a task, from a method's entry in `results.json`."""
    return METRICS.main(kinds_in(values), values)


def facts_of(run: RunFolder) -> RunFacts:
    """Return the facts from a run's folder, including its classifier and `figures/agreement.json`.

    Args:
        run: its folder, as `read_run` reads it.

    Raises:
        RunError: a file is missing or invalid.
    """
    table, num_draws = run.predictions, run.predictions.predicted_QDM.shape[1]
    try:
        metric = main_metric(next(iter(run.methods.values())))
        positive = run.results.get("positive")
        place = {method: table.methods.index(method) for method in run.methods}
        return RunFacts(
            table.classes,
            np.repeat(table.label_Q, num_draws),
            num_draws,
            {
                METHODS.title(method): MethodPredictions(
                    table.predicted_QDM[..., m].ravel(), table.confidence_QDM[..., m].ravel()
                )
                for method, m in place.items()
            },
            {METHODS.title(method): _estimate(entry, metric.key) for method, entry in run.methods.items()},
            metric.title,
            None if positive is None else table.classes.index(positive),
            _heads(run),
            _agreement(run.path / "figures" / AGREEMENT),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise RunError(
            f"{run.path}: the files do not belong to a single run of this version"
            f" ({type(error).__name__}: {error})."
        ) from error


def _estimate(entry: Mapping[str, Any], metric: str) -> Estimate:
    low, high = entry["ci95"].get(metric, (None, None))
    return Estimate(entry[metric], low, high, [one[metric] for one in entry.get("rounds", ())])


def _heads(run: RunFolder) -> HeadFacts | None:
    path = run.path / "classifier.safetensors"
    if not path.is_file():  # a run of zero-shot alone has no classifier
        return None
    from safetensors import SafetensorError, safe_open

    try:
        # As NumPy arrays: loading the classifier would import torch.
        with safe_open(path, framework="np") as file:
            if "calm.weights" not in file.keys():  # noqa: SIM118  - it is no dictionary
                return None
            weights_CH, reliability_CH = file.get_tensor("calm.weights"), file.get_tensor("calm.reliability")
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise RunError(f"{path}: cannot be read as a classifier: {error}") from error
    return HeadFacts(weights_CH, reliability_CH, run.results.get("heads", {}).get("layers"))


def _json(path: Path) -> Any:
    try:
        return json.loads(read_regular(path))
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}. Is this a run folder?") from error
    except ValueError as error:
        raise RunError(f"{path}: is not valid JSON: {error}.") from error


def write_agreement(folder: str | Path, agreement: Mapping[str, Agreement]) -> None:
    """Write what needs the heads of all rounds: `classifier.safetensors` only has the first round's."""
    if not agreement:
        (Path(folder) / AGREEMENT).unlink(missing_ok=True)
        return
    content = {name: one._asdict() for name, one in agreement.items()}
    write_text(Path(folder) / AGREEMENT, json.dumps(content, indent=2) + "\n")


def _agreement(path: Path) -> dict[str, Agreement]:
    if not path.is_file():
        return {}
    return {
        name: Agreement(
            tuple(one["k"]), tuple(one["mean"]), tuple(one["low"]), tuple(one["high"]), one["num_heads"]
        )
        for name, one in _json(path).items()
    }
