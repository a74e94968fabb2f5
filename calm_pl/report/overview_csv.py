"""An overview as CSV, for spreadsheets."""

from __future__ import annotations

import csv
import io

from calm_pl.cells import guarded_rows
from calm_pl.report.overview import Overview, Value


def csv_text(table: Overview) -> str:
    """Return a row per model and method; each column of the overview has its number, deviation and mark."""
    detailed = any(cell is not None and cell.interval is not None for row in table.rows for cell in row.cells)
    parts = ["%", "sd", *(["low", "high"] if detailed else []), "mark"]
    heads = [f"{', '.join(column.lines)}: {part}" for column in table.columns for part in parts]
    rows = [["model", "method", *heads]]
    for row in table.rows:
        rows.append([row.model, row.method, *(text for one in row.cells for text in _texts(one, detailed))])
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(guarded_rows(rows))
    return text.getvalue().rstrip("\n")


def _texts(cell: Value | None, detailed: bool) -> list[str]:
    if cell is None:
        return [""] * (5 if detailed else 3)
    ends = (cell.interval or (None, None)) if detailed else ()
    return [*map(_number, (cell.value, cell.deviation, *ends)), cell.mark.value]


def _number(fraction: float | None) -> str:
    return "" if fraction is None else f"{100 * fraction:.4f}"
