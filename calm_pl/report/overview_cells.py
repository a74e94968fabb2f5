"""What the formats of an overview share: the text of a cell, and lines that stay lines."""

from __future__ import annotations

from calm_pl.cells import control_character
from calm_pl.metrics.cells import percent, span
from calm_pl.report.overview import Value

NEAR = "†"
"""Stands behind what is not significantly worse than the best of its column."""


def told(cell: Value | None) -> str:
    """Return a cell in per cent, such as `78.3 ± 1.2 [61.2–89.2]`; empty where no run has it."""
    if cell is None:
        return ""
    if cell.value is None:
        return "–"
    text = percent(cell.value)
    text += "" if cell.deviation is None else f" ± {percent(cell.deviation)}"
    return text + ("" if cell.interval is None else f" [{span(cell.interval)}]")


def one_line(text: str) -> str:
    """Return text without characters that control a line or a terminal."""
    return "".join(" " if control_character(char) else char for char in text)
