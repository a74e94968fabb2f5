"""What tables tell of a run and of a method's entry in its `results.json`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calm_pl.runs.folder import LIMITED, RunFolder


def deviation_of(entry: Mapping[str, Any], metric: str) -> float | None:
    """Return a metric's standard deviation over draws, else over folds; None if there is one of each."""
    spread = (entry.get("sd") or {}).get(metric) or {}
    return spread.get("folds") if spread.get("draws") is None else spread["draws"]


def varied(entry: Mapping[str, Any]) -> str | None:
    """Return what the standard deviations are over, `draws` or `folds`; None if there is one of each."""
    rounds = entry.get("rounds", ())
    return next((f"{over}s" for over in ("draw", "fold") if len({one.get(over) for one in rounds}) > 1), None)


def model_of(run: RunFolder) -> tuple[str, str]:
    """Return a run's model as configured, and the name of its mask; empty without one."""
    mask = run.config.get("model", {}).get("mask")
    return run.results["model"], Path(mask).stem if mask else ""


def setting_of(run: RunFolder) -> tuple[str, ...]:
    """Return the settings on which a benchmark's numbers depend, in words; those that are known."""
    data = run.config.get("data", {})
    told = [f"{len(run.results['classes'])} classes"] if run.results.get("classes") else []
    told += _shots(data)
    if "n_options" in data:
        told.append(f"{data['n_options']} options" if data["n_options"] else "no options")
    if data.get("candidates") == "options":
        told.append("voters choose among the options")
    told += _fold(data)
    if run.results.get("limited") is not None:
        told.append(LIMITED)
    return tuple(told)


def heading_of(run: RunFolder) -> str:
    """Return what was evaluated, as in "ESC-50 subset, 10 of 50 classes, 20 shots, fold 1"."""
    setting = run.results.get("setting", {})
    if "title" not in setting:  # of an earlier version, or from Python
        return ", ".join([run.results["benchmark"], *setting_of(run)])
    parts = [setting["title"], f"{setting['n_classes']:,} classes"]
    for what in ("clips", "classes"):
        here, full = setting.get(f"n_{what}", 0), setting.get(f"full_{what}", 0)
        if here < full:
            parts = [f"{setting['title']} subset", f"{here:,} of {full:,} {what}"]
    parts += [*_shots(setting), *_fold(setting)]
    if setting["n_draws"] > 1:
        parts.append(f"{setting['n_draws']} draws")
    if run.results.get("limited") is not None:
        parts.append(LIMITED)
    return ", ".join(parts)


def _shots(setting: Mapping[str, Any]) -> list[str]:
    if "shots" not in setting:
        return []
    return ["all support clips" if setting["shots"] is None else f"{setting['shots']} shots"]


def _fold(setting: Mapping[str, Any]) -> list[str]:
    if setting.get("fold") is None:
        return []
    return ["all folds" if setting["fold"] == "all" else f"fold {setting['fold']}"]
