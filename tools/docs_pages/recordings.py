"""The table of events found in an hour of sound, from its record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_RECORD = Path(__file__).parents[2] / "benchmarks" / "results" / "long_recordings.json"
_NAMES = {"eight": "eight classes", "nine": "these and `background`"}


def recordings_table(record: dict[str, Any] | None = None) -> str:
    """Markdown: precision, recall and F1 of events by classifier and threshold, then time and memory."""
    found = json.loads(_RECORD.read_text(encoding="utf-8")) if record is None else record
    lines = ["| classifier | `--abstain` | precision | recall | event F1 |", "|---|---:|---:|---:|---:|"]
    for key, name in _NAMES.items():
        for threshold, scores in found[key]["by_threshold"].items():
            cells = (f"{100 * scores['events'][one]:.1f}" for one in ("precision", "recall", "f1"))
            lines.append(f"| {name} | {float(threshold):g} | {' | '.join(cells)} |")
    one = found["nine"]
    hour = found["recording"]
    short, long = (f"{one[f'peak_megabytes_{which}']:,.0f} MB" for which in ("short", "long"))
    last = (
        f"Labelling took {one['cpu_seconds']:.0f} CPU seconds and at most {long} of memory, {short} for five"
        f" minutes of sound, on {found['machine']}, {found['date']}; the hour's samples alone are"
        f" {hour['float32_megabytes']:,.0f} MB."
    )
    return "\n".join([*lines, "", last])
