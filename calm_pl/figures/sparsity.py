"""Accuracy over the number of heads kept, and over shots and heads (the paper's figures 4 and 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from calm_pl.figures.cells import draw_cells, write_in_cells
from calm_pl.figures.style import DOUBLE, SINGLE, drawing, looks, new_figure, ramp, theme_named

ALL = "all"


class Point(NamedTuple):
    """Accuracies at one setting.

    Attributes:
        k: number of heads kept; None for all.
        accuracies: accuracies of single folds and draws, as fractions.
    """

    k: int | None
    accuracies: Sequence[float]


def accuracy_over_heads_figure(
    methods: Mapping[str, Sequence[Point]],
    *,
    num_heads: int | None = None,
    width: float = SINGLE,
    theme: str = "light",
) -> Figure:
    """Draw one line per method: the mean over folds and draws, with the standard deviation as a band.

    Numbers of heads are equally spaced.

    Args:
        methods: points by label; CALM and CALM-Global give the paper's figure 4.
        num_heads: H, to show the share of heads below each k.
        width: in inches.
        theme: `light` or `dark`.
    """
    colours = theme_named(theme)
    if not methods or not all(methods.values()):
        raise ValueError("Expected at least one point of each of `methods`, but got none.")
    ks = _in_order(point.k for points in methods.values() for point in points)
    styles = looks(colours, list(methods))
    with drawing(colours):
        figure = new_figure(width, 2.45)
        axes = figure.subplots()
        for label, points in methods.items():
            style = styles[label]
            points = sorted(points, key=lambda point: ks.index(point.k))
            x = [ks.index(point.k) for point in points]
            mean = np.array([np.mean(point.accuracies) for point in points])
            deviation = np.array([_deviation(point.accuracies) for point in points])
            if deviation.any():
                axes.fill_between(x, mean - deviation, mean + deviation, color=style.colour, alpha=0.16, lw=0)
            axes.plot(x, mean, color=style.colour, ls=style.dash, marker=style.marker, label=label)
        axes.set_xticks(range(len(ks)), _tick_labels(ks, num_heads))
        axes.set_xlim(-0.3, len(ks) - 0.7)
        low, high = _limits(*axes.get_ylim())
        axes.set_ylim(low, high)
        ticks = [tick for tick in axes.get_yticks() if -1e-9 <= tick <= 1 + 1e-9]
        axes.set_yticks(ticks, [f"{100 * tick:.4g}" for tick in ticks])
        axes.set_ylim(low, min(high, 1.0))
        axes.grid(True, axis="y")
        axes.set_xlabel(_heads_label(num_heads))
        axes.set_ylabel("accuracy, %")
        figure.legend(loc="outside upper center", ncols=min(len(methods), 3 if width <= SINGLE else 6))
    return figure


def shots_by_heads_figure(
    panels: Mapping[str, Mapping[tuple[int, int | None], float]],
    *,
    num_heads: int | None = None,
    width: float | None = None,
    theme: str = "light",
) -> Figure:
    """Draw one panel per method, with shots as rows and heads as columns; the best cell per row is framed.

    Args:
        panels: for each label, accuracy by (shots, k), where k None is all heads. Missing settings are blank.
        num_heads: H, to show the share of heads below each k.
        width: in inches; if None, one column per panel, at most two.
        theme: `light` or `dark`.
    """
    colours = theme_named(theme)
    if not panels or not all(panels.values()):
        raise ValueError("Expected at least one setting in each of `panels`, but got none.")
    shots = sorted({s for panel in panels.values() for s, _ in panel}, reverse=True)
    ks = _in_order(k for panel in panels.values() for _, k in panel)
    every = [value for panel in panels.values() for value in panel.values()]
    norm = Normalize(min(every), max(max(every), min(every) + 1e-9))
    if width is None:
        width = SINGLE if len(panels) == 1 else DOUBLE
    beside = min(len(panels), 2) if width > SINGLE else 1
    rows = -(-len(panels) // beside)
    with drawing(colours):
        figure = new_figure(width, 0.87 + rows * (0.35 + 0.24 * len(shots)))
        grid = figure.subplots(rows, beside, sharex=True, sharey=True, squeeze=False)
        scale = ramp(colours)
        for axes in grid.ravel()[len(panels) :]:
            axes.remove()
        for axes, (label, panel) in zip(grid.ravel(), panels.items(), strict=False):
            values = np.array([[panel.get((s, k), np.nan) for k in ks] for s in shots])
            mesh = draw_cells(axes, values, scale, norm, colours, upwards=False)
            texts = {(int(r), int(c)): f"{100 * values[r, c]:.1f}" for r, c in np.argwhere(~np.isnan(values))}
            write_in_cells(axes, mesh, values, texts, colours)
            for row in range(len(shots)):
                if not np.isnan(values[row]).all():
                    _frame(axes, row, int(np.nanargmax(values[row])), colours.series[1])
            axes.set_title(label, loc="left", pad=3)
            axes.set_yticks(range(len(shots)), [str(s) for s in shots])
            axes.set_xticks(range(len(ks)), _tick_labels(ks, num_heads))
            axes.tick_params(length=0)
        strip = figure.colorbar(mesh, ax=grid.ravel().tolist()[: len(panels)], aspect=20, pad=0.02)
        strip.outline.set_visible(False)
        ticks = [t for t in strip.get_ticks() if norm.vmin <= t <= norm.vmax]
        strip.set_ticks(ticks, labels=[f"{100 * t:.4g}" for t in ticks])
        strip.set_label("accuracy, %")
        label = f"{_heads_label(num_heads)}\nframed: best on the query (oracle)"
        figure.supxlabel(label, fontsize=7, color=colours.ink)
        figure.supylabel("shots per class", fontsize=7, color=colours.ink)
    return figure


def _frame(axes: Any, row: int, column: int, colour: str) -> None:
    corner = (column - 0.47, row - 0.45)
    axes.add_patch(Rectangle(corner, 0.94, 0.9, fill=False, edgecolor=colour, lw=1.1))


def _in_order(ks: Any) -> list[int | None]:
    """Return numbers of heads, ascending, with "all" last."""
    found = set(ks)
    return [*sorted(k for k in found if k is not None), *([None] if None in found else [])]


def _limits(low: float, high: float) -> tuple[float, float]:
    """Widen limits to 20 points: a clip more or less must not look like a cliff."""
    lacking = max(0.0, 0.2 - (high - low)) / 2
    low, high = low - lacking, high + lacking
    over = max(0.0, high - 1.02)
    return max(0.0, low - over), high - over


def _tick_labels(ks: Sequence[int | None], num_heads: int | None) -> list[str]:
    names = [ALL if k is None else str(k) for k in ks]
    if num_heads is None:
        return names
    shares = [1.0 if k is None else k / num_heads for k in ks]
    # Two significant digits, three for 100.
    return [
        f"{name}\n{100 * share:{'.0f' if share >= 0.1 else '.2g'}}"
        for name, share in zip(names, shares, strict=True)
    ]


def _heads_label(num_heads: int | None) -> str:
    return "heads kept, k" + ("" if num_heads is None else f" (below: % of {num_heads:,})")


def _deviation(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
