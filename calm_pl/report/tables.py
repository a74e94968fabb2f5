"""Tables that are sorted by clicking a heading."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from calm_pl.report.html import Html, tag


class Cell(NamedTuple):
    """A cell.

    Attributes:
        shown: text or markup.
        value: sort key; None sorts by the text.
    """

    shown: str
    value: float | None = None


def table(
    caption: str,
    header: Sequence[str],
    rows: Iterable[Sequence[str | Cell]],
    words: int = 1,
    sortable: bool = False,
    tall: bool = False,
    stacked: bool = False,
) -> Html:
    """Return a table in a box that scrolls if the window is too small.

    Args:
        caption: what it shows.
        header: headings.
        rows: as many cells as headings; the first is the row's heading.
        words: number of leading columns with text; the others hold numbers.
        sortable: whether headings are buttons.
        tall: whether the rows scroll below their headings.
        stacked: whether each row becomes a block with its headings where the window is narrow, as a phone's.
    """
    heads = (
        tag("th", _heading(text, sortable), class_=_kind(number, words), scope="col")
        for number, text in enumerate(header)
    )
    labels = header if stacked else [None] * len(header)
    body = (tag("tr", (_cell(cell, n, words, labels[n]) for n, cell in enumerate(row))) for row in rows)
    boxed = "scroll stacked" if stacked else "scroll"
    return tag(
        "div",
        tag(
            "table",
            tag("caption", caption),
            tag("thead", tag("tr", heads)),
            tag("tbody", body),
            class_="sortable" if sortable else None,
        ),
        class_=f"{boxed} tall" if tall else boxed,
        tabindex=0,
        role="region",
        aria_label=caption,
    )


def _heading(text: str, sortable: bool) -> str:
    return tag("button", text, type="button") if sortable and text else text


def _kind(number: int, words: int) -> str | None:
    return None if number < words else "number"


def _cell(cell: str | Cell, number: int, words: int, label: str | None) -> Html:
    cell = cell if isinstance(cell, Cell) else Cell(cell)
    if number == 0:
        return tag("th", cell.shown, scope="row", data_value=cell.value)
    return tag("td", cell.shown, class_=_kind(number, words), data_value=cell.value, data_label=label)
