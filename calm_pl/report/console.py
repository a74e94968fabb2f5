"""Tables in a terminal: one style, as wide as the terminal, in parts where their columns do not fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

AROUND = 3
"""Columns that a cell takes beside its text."""


def print_table(
    title: str,
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    groups: Sequence[int] | None = None,
    words: int = 1,
    console: Console | None = None,
) -> None:
    """Print a table; where it is too wide in parts, each with the columns of text.

    Args:
        title: above it; may be empty.
        heads: headings.
        rows: cells, as many as headings.
        groups: numbers of columns behind those of text that stay together, such as a metric and its interval;
            None lets each stand alone.
        words: leading columns that hold text and name the row; the others are numbers.
        console: where to; None is standard output.
    """
    console = console or Console()
    parts = list(_parts(heads, rows, groups or [1] * (len(heads) - words), words, console.width))
    if title:
        console.print(Text(title, style="table.title"), soft_wrap=True)
    for part in parts:
        shown = Table(box=box.SIMPLE_HEAD)
        for column in (*range(words), *part):
            numeric = column >= words
            shown.add_column(
                Text(heads[column]), justify="right" if numeric else "left", overflow="fold", no_wrap=numeric
            )
        for row in rows:
            shown.add_row(*(Text(row[column]) for column in (*range(words), *part)))
        console.print(shown)


def print_matrix(
    title: str,
    names: Sequence[str],
    rows: Sequence[Sequence[str]],
    first: str = "",
    console: Console | None = None,
) -> None:
    """Print a table with a column per name; where they do not fit they are numbered, and listed below.

    Args:
        title: above it.
        names: of the columns.
        rows: a name and as many cells as columns; a name that is a column's too gets its number.
        first: heading of the rows' names.
        console: where to; None is standard output.
    """
    console = console or Console()
    if _width([first, *names], rows) <= console.width:
        print_table(title, [first, *names], rows, console=console)
        return
    numbers = {name: str(number) for number, name in enumerate(names, 1)}
    print_table(
        title,
        [first, *numbers.values()],
        [[numbers.get(row[0], row[0]), *row[1:]] for row in rows],
        console=console,
    )
    for name, number in numbers.items():
        console.print(Text(f"{number:>{len(str(len(names)))}}: {name}"))


def _width(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    return sum(_widths(heads, rows)) + 1


def _widths(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [
        max(len(text) for text in (head, *(row[column] for row in rows))) + AROUND
        for column, head in enumerate(heads)
    ]


def _parts(
    heads: Sequence[str], rows: Sequence[Sequence[str]], groups: Sequence[int], words: int, width: int
) -> Iterator[list[int]]:
    """Yield the columns that fit beside each other, at least one group."""
    widths = _widths(heads, rows)
    room = width - sum(widths[:words]) - 1
    part: list[int] = []
    left, column = room, words
    for size in groups:
        group = list(range(column, column + size))
        column += size
        needed = sum(widths[one] for one in group)
        if part and needed > left:
            yield part
            part, left = [], room
        part += group
        left -= needed
    yield part
