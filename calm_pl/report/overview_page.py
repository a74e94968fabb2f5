"""An overview of runs as a page, and as a table in a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from calm_pl.atomic_files import write_text
from calm_pl.report.html import Html, join, tag
from calm_pl.report.overview import Mark, Overview, Value
from calm_pl.report.overview_cells import NEAR, told
from calm_pl.report.page import Section, page
from calm_pl.report.tables import Cell, table
from calm_pl.runs.entries import heading_of
from calm_pl.runs.folder import RunFolder


def write_overview_page(
    shown: Overview, runs: Sequence[RunFolder], target: Path, title: str, notes: Sequence[str] = ()
) -> None:
    """Write a page with the table of many runs and links to their own pages, which lie below its folder.

    Args:
        shown: the table.
        runs: its runs.
        target: the file; it appears under its name only when complete.
        title: heading of the page.
        notes: what a reader must know besides the table's own notes.
    """
    links: list[list[str | Cell]] = [
        [
            _link(run, target.parent),
            heading_of(run),
            run.results["model"],
            run.results.get("provenance", {}).get("date", ""),
        ]
        for run in runs
    ]
    sections = [
        Section(
            "results",
            "Results",
            join([tag("ul", map(_item, notes)) if notes else None, overview_table(shown)]),
        ),
        Section("runs", "Runs", table("Runs", ["run", "what", "model", "date"], links, words=4)),
    ]
    write_text(target, page(title, f"{len(runs)} runs of calm_pl", sections))


def overview_table(shown: Overview) -> Html:
    """Return the table with its legend and notes."""
    several = len(shown.models) > 1
    heads = [
        *(["model"] if several else []),
        "method",
        *(", ".join(column.lines) for column in shown.columns),
    ]
    rows: list[list[str | Cell]] = [
        [*([row.model] if several else []), row.method, *map(_cell, row.cells)] for row in shown.rows
    ]
    words = 2 if several else 1
    return join(
        [
            table("Results in %", heads, rows, words=words, sortable=True),
            tag("ul", map(_item, [*shown.legend("Bold", NEAR), *shown.notes]), class_="muted"),
        ]
    )


def _item(text: str) -> Html:
    return tag("li", text)


def _cell(cell: Value | None) -> Cell:
    text = told(cell)
    if cell is None or cell.value is None:
        return Cell(text)
    if cell.mark is Mark.BEST:
        return Cell(tag("strong", text), cell.value)
    return Cell(f"{text} {NEAR}" if cell.mark is Mark.NEAR else text, cell.value)


def _link(run: RunFolder, folder: Path) -> str | Html:
    report = run.path / "report.html"
    if not report.is_file() or not report.resolve().is_relative_to(folder.resolve()):
        return run.name
    return tag("a", run.name, href=report.resolve().relative_to(folder.resolve()).as_posix())
