"""Which classes are confused with which, readable for 2 to 500 classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from calm_pl.figures.arrays import as_array
from calm_pl.figures.cells import draw_cells, write_in_cells
from calm_pl.figures.labels import label_points, percent, short
from calm_pl.figures.ordering import cluster_order
from calm_pl.figures.style import DOUBLE, SINGLE, SMALL, Theme, drawing, new_figure, ramp, theme_named

NO_ANSWER = "no answer"
_MOST_NAMED = 28
_MOST_COUNTED = 12


class Confusion(NamedTuple):
    """One cell off the diagonal.

    Attributes:
        truth: class index.
        predicted: class index, C for no prediction.
        number: number of predictions.
        share: share of the true class's predictions.
    """

    truth: int
    predicted: int
    number: float
    share: float


def largest_confusions(confusion_CC: Any, count: int) -> list[Confusion]:
    """Return the off-diagonal cells with the most predictions; ties: the larger share, then lower indices.

    Args:
        confusion_CC: counts (C, C), or (C, C + 1) with a last column for questions without a prediction.
        count: maximum number of cells.
    """
    confusion_CC = as_array(confusion_CC, "confusion_CC", 2)
    wrong_CC = confusion_CC.copy()
    np.fill_diagonal(wrong_CC, 0)
    total_C = confusion_CC.sum(1)
    cells = [
        Confusion(int(t), int(p), float(wrong_CC[t, p]), float(wrong_CC[t, p] / total_C[t]))
        for t, p in zip(*wrong_CC.nonzero(), strict=True)
    ]
    return sorted(cells, key=lambda cell: (-cell.number, -cell.share, cell.truth, cell.predicted))[:count]


def confusion_figure(
    confusion_CC: Any, classes: Sequence[str], *, width: float = DOUBLE, theme: str = "light"
) -> Figure:
    """Draw the confusion matrix in the order of `cluster_order`, and a list of the largest confusions.

    Up to 28 classes (14 in one column) are named at the edges, and up to 12 have counts in the cells; with
    more classes, the list names the numbered cells.

    Args:
        confusion_CC: counts (C, C), or (C, C + 1) with a last column for questions without a prediction; rows
            are the truth.
        classes: labels in class order.
        width: in inches.
        theme: `light` or `dark`.
    """
    colours = theme_named(theme)
    counts = as_array(confusion_CC, "confusion_CC", 2)
    if len(counts) != len(classes) or counts.shape[1] - len(classes) not in (0, 1):
        raise ValueError(f"Expected counts for {len(classes)} classes, but got the shape {counts.shape}.")
    order = cluster_order(counts, classes)
    columns = [*order, *range(len(classes), counts.shape[1])]
    shown = counts[np.ix_(order, columns)]
    total = shown.sum(1, keepdims=True)
    share = np.where(total > 0, shown / np.maximum(total, 1e-12), np.nan)
    wide = width > SINGLE
    names = [short(label, 20 if wide else 16) for label in [*classes, NO_ANSWER]]
    with drawing(colours):
        listed = largest_confusions(counts, 16 if wide else 6)
        room = 0.3 + 0.13 * len(listed)
        figure = new_figure(width, 3.7 if wide else 2.9 + room)
        # Two sub-figures, so that the list is not aligned with the matrix.
        parts: Any = (
            figure.subfigures(1, 2, width_ratios=(1.6, 1))
            if wide
            else figure.subfigures(2, 1, height_ratios=(2.9, room))
        )
        left, right = parts
        axes = left.subplots()
        axes.set_box_aspect(1)
        scale = ramp(colours)
        mesh = draw_cells(axes, share, scale, PowerNorm(0.5, 0, 1), colours, upwards=False)
        _name_classes(axes, [names[c] for c in order], [names[c] for c in columns], wide)
        if len(classes) <= _MOST_COUNTED:
            texts = {(int(r), int(c)): f"{shown[r, c]:.3g}" for r, c in zip(*shown.nonzero(), strict=True)}
            write_in_cells(axes, mesh, share, texts, colours, 8.5 if wide else SMALL)
        strip = left.colorbar(mesh, ax=axes, shrink=0.6, aspect=25, pad=0.02)
        strip.outline.set_visible(False)
        strip.set_ticks([0, 0.05, 0.25, 0.5, 1], labels=["0", "5", "25", "50", "100 %"])
        strip.set_label("share of the true class")
        words = [short(label, 19 if wide else 18) for label in [*classes, NO_ANSWER]]
        # A short list takes the room of a longer one, in larger letters: half the figure was empty.
        lines = max(10, len(listed)) if wide else 1
        _list_confusions(
            right.subplots(), listed, words, lines, 7.5 if wide and lines <= 12 else SMALL, colours
        )
        if len(classes) > _MOST_NAMED:
            _number_cells(axes, listed, order, columns, colours)
    return figure


def _name_classes(axes: Any, rows: list[str], columns: list[str], wide: bool) -> None:
    axes.set_xlabel("predicted")
    axes.set_ylabel("truth")
    if len(rows) > (_MOST_NAMED if wide else _MOST_NAMED // 2):
        return
    size = SMALL if len(rows) > 12 or not wide else 7.5
    axes.set_xticks(range(len(columns)), columns, rotation=90, fontsize=size)
    axes.set_yticks(range(len(rows)), rows, fontsize=size)
    axes.tick_params(length=0, pad=2)


def _number_cells(
    axes: Any, listed: list[Confusion], order: list[int], columns: list[int], theme: Theme
) -> None:
    """Draw the list's numbers next to their cells; the axes are numbered by class."""
    axes.set_xticks([0, len(columns) - 1], ["1", str(len(columns))])
    axes.set_yticks([0, len(order) - 1], ["1", str(len(order))])
    x = np.array([columns.index(cell.predicted) for cell in listed])
    y = np.array([order.index(cell.truth) for cell in listed])
    numbers = [str(number) for number in range(1, len(listed) + 1)]
    if numbers:
        label_points(axes, x, y, numbers, theme, theme.series[1])


def _list_confusions(
    axes: Any, listed: list[Confusion], names: list[str], lines: int, size: float, theme: Theme
) -> None:
    axes.axis("off")
    axes.set_xlim(0, 1)
    axes.set_ylim(max(len(listed), lines) + 0.5, -0.8)
    axes.text(0, -0.3, "largest confusions" if listed else "no confusions", fontsize=size + 1, va="center")
    axes.text(
        1,
        -0.3,
        "questions · share" if listed else "",
        fontsize=size,
        va="center",
        ha="right",
        color=theme.muted,
    )
    for number, cell in enumerate(listed, 1):
        axes.text(
            0.05, number - 0.2, f"{number}", fontsize=size, ha="right", va="center", color=theme.series[1]
        )
        words = f"{names[cell.truth]} → {names[cell.predicted]}"
        axes.text(0.08, number - 0.2, words, fontsize=size, va="center")
        figures = f"{cell.number:.3g} · {percent(cell.share, 0)}"
        axes.text(1, number - 0.2, figures, fontsize=size, ha="right", va="center")
