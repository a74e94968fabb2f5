"""Labels in figures: shortened if long, placed where there is room."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from calm_pl.figures.style import SMALL, Theme

# Offsets tried around a point, in points, with the alignment that fits each.
_PLACES = [
    (radius * x, radius * y, "left" if x > 0 else "right" if x < 0 else "center", level)
    for radius in (4, 9, 15, 22, 30)
    for x, y, level in (
        (1, 0, "center"),
        (-1, 0, "center"),
        (0, 1, "bottom"),
        (0, -1, "top"),
        (1, 1, "bottom"),
        (-1, 1, "bottom"),
        (1, -1, "top"),
        (-1, -1, "top"),
    )
]


def short(label: str, most: int = 24) -> str:
    """Shorten a label to one line of at most `most` characters by omitting its middle."""
    label = " ".join(label.replace("_", " ").split())
    if len(label) <= most:
        return label
    head = most // 2
    return f"{label[:head].rstrip()}…{label[len(label) - (most - 1 - head) :].lstrip()}"


def percent(fraction: float, digits: int = 1) -> str:
    """Format a fraction in per cent."""
    return f"{100 * fraction:.{digits}f} %"


def label_points(
    axes: Axes,
    x_P: np.ndarray,
    y_P: np.ndarray,
    labels: Sequence[str],
    theme: Theme,
    colour: str | None = None,
) -> None:
    """Write labels next to points, in order, where they cover neither points nor each other.

    Distant labels have a line to their point; a label without room is omitted. Call this last: positions
    depend on the final axes.

    Args:
        axes: axes with the points.
        x_P, y_P: all points; the first `len(labels)` of them are labelled.
        labels: texts.
        theme: colours.
        colour: colour of the labels; the theme's ink if None.
    """
    figure = axes.get_figure(root=True)
    figure.draw_without_rendering()  # type: ignore[union-attr]
    inside = axes.get_window_extent()
    scale = figure.dpi / 72  # type: ignore[union-attr]
    line = {"arrowstyle": "-", "color": colour or theme.muted, "lw": 0.4, "shrinkA": 0.5, "shrinkB": 2}
    at_P2 = axes.transData.transform(np.stack([x_P, y_P], 1))
    taken = [Bbox.from_extents(x - 2 * scale, y - 2 * scale, x + 2 * scale, y + 2 * scale) for x, y in at_P2]
    for i, label in enumerate(labels):
        for dx, dy, across, level in _PLACES:
            text = axes.annotate(
                label,
                (x_P[i], y_P[i]),
                (dx, dy),
                textcoords="offset points",
                ha=across,
                va=level,
                fontsize=SMALL,
                color=colour or theme.ink,
                arrowprops=None if max(abs(dx), abs(dy)) < 9 else line,
            )
            text.get_window_extent()  # places it
            box = Text.get_window_extent(text)  # the label alone, without its line
            fits = inside.x0 <= box.x0 and box.x1 <= inside.x1 and inside.y0 <= box.y0 and box.y1 <= inside.y1
            if fits and not any(box.overlaps(other) for k, other in enumerate(taken) if k != i):
                taken.append(box)
                break
            text.remove()
