"""The table of commands that ran on full-size models with random weights, from their records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
_NAMES = {"qwen2_audio": "Qwen2-Audio-7B", "qwen2_5_omni": "Qwen2.5-Omni-7B"}


def full_size_table(records: dict[str, Any] | None = None) -> str:
    """Markdown: CPU time and peak of each command by model, then what one process measured.

    Args:
        records: by family; those of the repository by default.
    """
    found = {name: _record(name) for name in _NAMES} if records is None else records
    heads = (f"{_NAMES[name]}: CPU s | peak GB" for name in found)
    lines = [f"| command | {' | '.join(heads)} |", "|---|" + "---:|" * 2 * len(found)]
    by_command: dict[str, dict[str, str]] = {}
    for name, record in found.items():
        for row in record["commands"]:
            cells = f"{row['cpu_seconds']:.0f} | {row['peak_gigabytes']:.1f}"
            by_command.setdefault(row["command"], {})[name] = cells if row["status"] == 0 else "failed |"
    for command, ran in by_command.items():
        lines.append(f"| {command} | {' | '.join(ran.get(name, '|') for name in found)} |")
    return "\n".join([*lines, "", *(_once(name, record) for name, record in found.items())])


def _record(name: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((_RESULTS / f"full_size_{name}.json").read_text(encoding="utf-8"))
    return record


def _once(name: str, record: dict[str, Any]) -> str:
    """A line on load time, the time of a clip beside the machine's rate, and drift."""
    one = record["one_process"]
    drifts = " and ".join(f"{100 * one[key]['drift']:.2f} %" for key in ("batch_2", "batch_3"))
    changed = sum(one[key]["changed_predictions"] for key in ("batch_2", "batch_3"))
    equal = [row["command"] for row in record["commands"] if row.get("equal_predictions")]
    size = record["model"]["parameters"] / 1e9
    return (
        f"- {_NAMES[name]}, {size:.1f} billion parameters, {record['date']}: loaded in"
        f" {one['load_seconds']:.0f} s; a clip of 3 s took {one['seconds_per_3_s_clip']:.1f} s,"
        f" {100 * one['share_of_rate']:.0f} % of the rate of bfloat16 products. Batches of 2 and 3 moved"
        f" head vectors by {drifts} of their norm and changed {changed} predictions. `predictions.csv` had"
        f" the same bytes in {' and '.join(f'“{command}”' for command in equal)} as in the first run."
    )
