"""An overview as a Markdown table, and a run's `results.md`."""

from __future__ import annotations

import re

from calm_pl.report.overview import Mark, Overview, Value, overview
from calm_pl.report.overview_cells import NEAR, one_line, told
from calm_pl.runs.entries import heading_of
from calm_pl.runs.folder import RunFolder

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|~$#&])")


def escaped(text: str) -> str:
    """Return text of which nothing is read as Markdown or HTML."""
    return _SPECIAL.sub(r"\\\1", one_line(text))


def markdown_text(table: Overview) -> str:
    """Return a pipe table and its notes; models have a column of their own if there are several."""
    several = len(table.models) > 1
    heads = [*(["model"] if several else []), "method"]
    lines = [
        _line([*heads, *(escaped(", ".join(column.lines)) for column in table.columns)]),
        _line([*("---" for _ in heads), *("---:" for _ in table.columns)]),
    ]
    for row in table.rows:
        names = [row.model, row.method] if several else [row.method]
        lines.append(_line([*map(escaped, names), *map(_cell, row.cells)]))
    return "\n".join([*lines, "", *_listed([*table.legend("**Bold**", NEAR), *map(escaped, table.notes)])])


def run_markdown(run: RunFolder) -> str:
    """Return the contents of `results.md`: every metric with its interval, and the run's remarks."""
    table = markdown_text(overview([run], detailed=True))
    remarks = _listed([escaped(remark) for remark in run.results.get("remarks", ())])
    heading = escaped(heading_of(run))
    return "\n".join([f"# {escaped(run.title)}", "", heading, "", table, *remarks]) + "\n"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _listed(sentences: list[str]) -> list[str]:
    return [f"- {sentence}" for sentence in sentences]


def _cell(cell: Value | None) -> str:
    text = escaped(told(cell))
    if cell is None or cell.mark is Mark.NONE:
        return text
    return f"**{text}**" if cell.mark is Mark.BEST else f"{text} {NEAR}"
