"""Accuracy of each method with its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from calm_pl.figures.style import SINGLE, SMALL, drawing, looks, new_figure, theme_named


class Estimate(NamedTuple):
    """A metric's value with its 95 % interval.

    Attributes:
        value: a fraction.
        low, high: ends of the interval; None for a metric without interval.
        rounds: values of single folds and draws, if there are several.
    """

    value: float
    low: float | None = None
    high: float | None = None
    rounds: Sequence[float] = ()


def methods_figure(
    methods: Mapping[str, Estimate],
    metric: str = "accuracy",
    *,
    chance: float | None = None,
    width: float = SINGLE,
    theme: str = "light",
) -> Figure:
    """Draw a dot and an interval per method; faint dots are single folds and draws.

    Args:
        methods: estimates by label, from top to bottom.
        metric: name of the metric, for the axis.
        chance: the value of random guessing, as a dashed line.
        width: in inches.
        theme: `light` or `dark`.
    """
    colours = theme_named(theme)
    if not methods:
        raise ValueError("Expected at least one of `methods`, but got none.")
    styles = looks(colours, list(methods))
    every = np.array([v for one in methods.values() for v in (*_ends(one), one.value, *one.rounds)])
    margin = 0.06 * max(0.05, float(every.max() - every.min()))
    low, high = max(0.0, float(every.min()) - margin), min(1.0, float(every.max()) + margin)
    with drawing(colours):
        figure = new_figure(width, 0.5 + 0.24 * len(methods))
        axes = figure.subplots()
        for row, (label, one) in enumerate(methods.items()):
            style = styles[label]
            axes.hlines(row, *_ends(one), color=style.colour, lw=1.6)
            # Rounds are drawn below their mean, slightly apart from each other if there are many.
            shift = 0.26 + 0.05 * (np.arange(len(one.rounds)) % 3 - 1)
            axes.plot(
                one.rounds,
                row + shift,
                color=style.colour,
                marker="o",
                ls="none",
                markersize=1.8,
                alpha=0.55,
                markeredgewidth=0,
            )
            axes.plot(
                one.value,
                row,
                color=style.colour,
                marker=style.marker,
                markersize=5,
                markeredgecolor=colours.paper,
                markeredgewidth=0.6,
                clip_on=False,
            )
            axes.annotate(
                f"{100 * one.value:.1f}",
                (1, row),
                (5, 0),
                xycoords=("axes fraction", "data"),
                textcoords="offset points",
                va="center",
                fontsize=6.5,
                color=colours.ink,
            )
        if chance is not None and low <= chance <= high:
            axes.axvline(chance, color=colours.muted, lw=0.8, ls=(0, (4, 2)), zorder=0)
            axes.annotate(
                "chance",
                (chance, 1),
                (0, 1),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=SMALL,
                color=colours.muted,
            )
        axes.set_yticks(range(len(methods)), list(methods))
        axes.set_ylim(len(methods) - 0.45, -0.55)
        axes.set_xlim(low, high)
        ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
        axes.set_xticks(ticks, [f"{100 * tick:.3g}" for tick in ticks])
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(True, axis="x")
        interval = "" if all(one.low is None for one in methods.values()) else " (95 % interval)"
        axes.set_xlabel(f"{metric}, %{interval}")
    return figure


def _ends(one: Estimate) -> tuple[float, float]:
    """Return the ends of the interval; the value itself if there is no interval."""
    return (one.value if one.low is None else one.low, one.value if one.high is None else one.high)
