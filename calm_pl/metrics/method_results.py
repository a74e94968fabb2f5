"""Results of several methods, shown as a table in a terminal and in a notebook."""

from __future__ import annotations

import html
import io
from collections.abc import Sequence, Set
from typing import TYPE_CHECKING

from calm_pl.methods import METHODS
from calm_pl.metrics.cells import columns, percent, span
from calm_pl.metrics.info import METRICS, MetricInfo, kinds_in
from calm_pl.metrics.summary import MethodResult

if TYPE_CHECKING:
    from rich.table import Table

_WIDTH = 100


class MethodResults(dict[str, MethodResult]):
    """Results by method, in the order of the table; printed, it is that table."""

    def headings(self) -> list[str]:
        """Return the columns of `rows`."""
        return ["method", *(head for metric in self.shown() for head in columns(metric))]

    def groups(self) -> list[int]:
        """Return how many columns each metric has: itself, and its interval if it has one."""
        return [len(columns(metric)) for metric in self.shown()]

    def rows(self) -> list[list[str]]:
        """Return a row per method: `66.7`, or `66.7 ± 1.2` over draws or else folds, and the intervals."""
        return [self._row(name, result) for name, result in self.items()]

    def table(self, title: str | None = None) -> Table:
        """Return the table, for `rich`."""
        from rich import box
        from rich.table import Table

        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
        for number, head in enumerate(self.headings()):
            table.add_column(head, justify="right" if number else "left", no_wrap=True)
        for row in self.rows():
            table.add_row(*row)
        return table

    def shown(self) -> list[MetricInfo]:
        """Return the metrics of the task, in the order of the table; exact match only where it says more."""
        first = next(iter(self.values()), None)
        if first is None:
            return []
        return [one for one in METRICS.shown(kinds_in(first.values)) if one.key in first.values]

    def _row(self, name: str, result: MethodResult) -> list[str]:
        row = [METHODS.title(name)]
        for metric in self.shown():
            spread = result.spread[metric.key]
            deviation = spread.folds if spread.draws is None else spread.draws
            more = "" if deviation is None else f" ± {percent(deviation)}"
            row.append(percent(result.values[metric.key]) + more)
            if metric.interval:
                row.append(span(result.ci95[metric.key]))
        return row

    def __rich__(self) -> Table:
        return self.table()

    def __repr__(self) -> str:
        if not self:
            return "{}"
        from rich.console import Console

        text = io.StringIO()
        Console(file=text, width=_WIDTH, force_terminal=False, force_jupyter=False).print(self.table())
        return "\n".join(line.rstrip() for line in text.getvalue().strip("\n").splitlines())

    def _repr_html_(self) -> str:
        return html_table(self.headings(), self.rows())


def html_table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], bold: Set[tuple[int, int]] = frozenset()
) -> str:
    """Return a table for notebooks, first column to the left, numbers to the right.

    Args:
        headings: of the columns.
        rows: as long as the headings.
        bold: row and column of cells to be set in bold.
    """

    def cells(kind: str, texts: Sequence[str], number: int) -> str:
        return "".join(
            f'<{kind} style="text-align: {"right" if place else "left"}'
            f'{"; font-weight: bold" if (number, place) in bold else ""}">{html.escape(text)}</{kind}>'
            for place, text in enumerate(texts)
        )

    body = "".join(f"<tr>{cells('td', row, number)}</tr>" for number, row in enumerate(rows))
    return f"<table><thead><tr>{cells('th', headings, -1)}</tr></thead><tbody>{body}</tbody></table>"
