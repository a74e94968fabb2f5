"""A run's configuration and versions on its page, and how to repeat the run."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from calm_pl.config.schema import Config
from calm_pl.report.html import Html, join, tag
from calm_pl.report.tables import Cell, table
from calm_pl.runs.folder import RunFolder

_GPU = {"gpu": "", "driver": "driver", "cuda": "CUDA"}
_CODE = ("model's commit on the hub", "weights", "calm_pl's commit", "command")


def flattened(section: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Return settings by their full name, such as `data.shots`."""
    for key, value in section.items():
        if isinstance(value, Mapping):
            yield from flattened(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


def told(value: Any) -> str:
    """Format a value as YAML does, on one line."""
    return (
        yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True)
        .removesuffix("\n...\n")
        .strip()
    )


def setting_section(run: RunFolder) -> Html:
    """Show the settings that differ from the defaults, and the complete configuration."""
    if not run.config:
        return tag("p", "This run was started without a configuration (from Python).")
    defaults = dict(flattened(dataclasses.asdict(Config())))
    chosen = [
        [name, told(value), "" if defaults.get(name, "???") == "???" else told(defaults[name])]
        for name, value in flattened(run.config)
        if name not in defaults or defaults[name] != value
    ]
    return join(
        [
            table("Settings that differ from the defaults", ["setting", "value", "default"], chosen, words=3),
            tag(
                "details",
                tag("summary", "The complete configuration"),
                tag("pre", run.config_yaml, tabindex=0, role="region", aria_label="Configuration"),
            ),
        ]
    )


def _encoded(one: Mapping[str, Any]) -> str:
    """Say how much a run of this configuration encoded, in what time and where."""
    ranks = f" x {one['ranks']}" if one["ranks"] > 1 else ""
    device = one.get("gpu", one["device"])
    return (
        f"{one['questions']:,} questions in {one['seconds']:g} s, {device}{ranks}, {one['host']},"
        f" {one['date']}"
    )


def again_section(run: RunFolder) -> Html:
    """Show the command, its configuration, and when, where and with what the run was made."""
    again = None
    if run.config:
        uri = f"data:text/yaml;base64,{base64.b64encode(run.config_yaml.encode()).decode()}"
        again = join(
            [
                tag("p", tag("a", "Save config.yaml", href=uri, download="config.yaml"), ", then:"),
                tag("pre", "python launch.py fit-free --config config.yaml run.dir=runs/again", tabindex=0),
                tag(
                    "p",
                    "Results depend on data, model and configuration, not on batch size, order or number of"
                    " processes. The configuration's hash is ",
                    tag("code", str(run.results.get("config_hash", ""))[:16]),
                    ".",
                ),
            ]
        )
    made = table("How this run was made", ["what", "value"], _provenance(run), words=2)
    seconds = [
        *((name, f"{value:g} s") for name, value in run.results.get("seconds", {}).items()),
        *(("encoded", _encoded(one)) for one in run.results.get("encodings", ())),
    ]
    versions = [[name, str(version)] for name, version in run.results.get("versions", {}).items()]
    return join(
        [
            again,
            made,
            table("Time", ["what", "time"], [list(pair) for pair in seconds], words=2) if seconds else None,
            table("Versions", ["package", "version"], versions, words=2),
        ]
    )


def _provenance(run: RunFolder) -> list[list[str | Cell]]:
    """Return when, where and with what a run was made, as far as it says."""
    made = run.results.get("provenance", {})
    ranks = f" x {made['ranks']}" if made.get("ranks", 1) > 1 else ""
    gpu = "".join(f", {name} {made[key]}" for key, name in _GPU.items() if made.get(key))
    rows: list[tuple[str, str | None]] = [
        ("date", made.get("date")),
        ("machine", made.get("host")),
        ("device", made and f"{made['device']}{ranks}{gpu}"),
        ("model", run.results["model"]),
        ("model's commit on the hub", made.get("model_commit")),
        ("weights", run.results.get("weights")),
        ("number format", run.results.get("dtype")),
        ("attention", run.results.get("attn")),
        ("calm_pl's commit", made.get("commit")),
        ("command", made.get("command")),
    ]
    return [[name, Cell(tag("code", value) if name in _CODE else value)] for name, value in rows if value]
