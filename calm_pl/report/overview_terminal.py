"""An overview in a terminal of any width."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from calm_pl.report.overview import Mark, Overview, Value
from calm_pl.report.overview_cells import NEAR, one_line, told

_BEST = "*"  # bold is lost in a file
_MARKS = {Mark.NONE: " ", Mark.BEST: _BEST, Mark.NEAR: NEAR}
_AROUND = 3  # columns that a cell takes beside its text


def print_overview(table: Overview, console: Console | None = None) -> None:
    """Print the table, in several parts where its columns do not fit beside each other, and its notes.

    Args:
        table: what to print.
        console: where to; None is standard output.
    """
    console = console or Console()
    for part in overview_parts(table, console.width):
        console.print(part)


def overview_parts(table: Overview, width: int) -> Iterator[Table | Text]:
    """Yield what is printed: the table in as many parts as the width asks for, then its notes."""
    labels = _labels(table)
    for part in _parts(table, max(map(len, labels)), width):
        shown = Table(box=box.SIMPLE_HEAD)
        shown.add_column("method", overflow="fold", vertical="bottom")
        for number in part:
            shown.add_column(
                Text("\n".join(map(one_line, table.columns[number].lines))), justify="right", overflow="fold"
            )
        model = None
        for label, row in zip(labels, table.rows, strict=True):
            if len(table.models) > 1 and row.model != model:
                shown.add_section()
                shown.add_row(Text(one_line(row.model), style="italic"))
            model = row.model
            shown.add_row(Text(label), *(_text(row.cells[number]) for number in part))
        yield shown
    for note in [*table.legend(f"{_BEST} (bold)", NEAR), *table.notes]:
        yield Text(one_line(note))


def _labels(table: Overview) -> list[str]:
    """Return the first cell of each row; below a model's name it is indented."""
    indent = "  " if len(table.models) > 1 else ""
    return [indent + one_line(row.method) for row in table.rows]


def _parts(table: Overview, label: int, width: int) -> Iterator[list[int]]:
    """Yield the columns that fit beside each other, at least one."""
    names = [len(one_line(model)) for model in table.models] if len(table.models) > 1 else []
    first = max(label, *names, len("method")) + _AROUND + 1
    part: list[int] = []
    left = width - first
    for number, column in enumerate(table.columns):
        texts = [*column.lines, *(_text(row.cells[number]).plain for row in table.rows)]
        needed = max(map(len, texts)) + _AROUND
        if part and needed > left:
            yield part
            part, left = [], width - first
        part.append(number)
        left -= needed
    yield part


def _text(cell: Value | None) -> Text:
    if cell is None:
        return Text()
    return Text(told(cell) + _MARKS[cell.mark], style="bold" if cell.mark is Mark.BEST else "")
