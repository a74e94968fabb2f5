"""Values with their intervals on a common axis, as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from calm_pl.report.html import Html, tag

_WIDTH, _ROW = 400, 34


class Bar(NamedTuple):
    """One row.

    Attributes:
        label: name of the row.
        value: a fraction.
        low: lower end of its interval.
        high: upper end of its interval.
        strong: whether to emphasise it.
    """

    label: str
    value: float
    low: float
    high: float
    strong: bool = False


def forest(title: str, bars: Sequence[Bar], zero: bool = False) -> Html:
    """Draw a point and a line per row; the numbers are in the table next to it.

    Args:
        title: text alternative for screen readers.
        bars: rows, from top to bottom.
        zero: whether values are differences; 0 is then on the axis and marked.
    """
    low = min([one.low for one in bars] + [0.0] * zero)
    high = max([one.high for one in bars] + [0.0] * zero)
    step = next(s for s in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if high - low <= 6 * s or s == 0.5)
    first, last = int(low // step), -int(-high // step)
    last += first == last

    def x(value: float) -> str:
        return f"{20 + (_WIDTH - 40) * (value / step - first) / (last - first):.1f}"

    height = _ROW * len(bars) + 24
    parts: list[Html] = []
    for place in range(first, last + 1):
        at = x(place * step)
        mark = "axis zero" if zero and place == 0 else "axis"
        parts.append(tag("line", x1=at, x2=at, y1=0, y2=height - 20, class_=mark))
        parts.append(tag("text", f"{100 * place * step:g}", x=at, y=height - 4, class_="tick"))
    for row, one in enumerate(bars):
        y = _ROW * row + _ROW / 2 + 6
        kind = "bar strong" if one.strong else "bar"
        parts.append(tag("text", one.label, x=x(one.low), y=y - 7, class_="label"))
        parts.append(tag("line", x1=x(one.low), x2=x(one.high), y1=y, y2=y, class_=kind))
        parts.append(tag("circle", cx=x(one.value), cy=y, r=4.5, class_=kind))
    return tag("svg", parts, class_="forest", viewBox=f"0 0 {_WIDTH} {height}", role="img", aria_label=title)
