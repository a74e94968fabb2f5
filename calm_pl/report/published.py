"""Numbers that papers published, to stand beside one's own."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

_FILE = Path(__file__).parent / "published.json"


def published(benchmark: str, metric: str, model: str, method: str) -> float | None:
    """Return a method's published number as a fraction; None if there is none.

    Args:
        benchmark: key of the benchmark.
        metric: key of the metric.
        model: path of the model; its last part begins with the name of the published one.
        method: key of the method.
    """
    found = _content()
    if method not in found["methods"]:
        return None
    place = found["methods"].index(method)
    name = Path(model).name
    for row in found["numbers"]:
        if (row["benchmark"], row["metric"]) == (benchmark, metric) and name.startswith(row["model"]):
            value = row["values"][place]
            return None if value is None else float(value) / 100
    return None


def source() -> str:
    """Return where the numbers are from."""
    return str(_content()["source"])


@functools.cache
def _content() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    return found
