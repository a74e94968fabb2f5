"""The distribution of head weights, per class (the paper's figure 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from calm_pl.figures.arrays import as_array
from calm_pl.figures.labels import short
from calm_pl.figures.style import SINGLE, SMALL, drawing, look, new_figure, theme_named

UNIFORM = (100, 300, 500)
"""Numbers of heads k whose uniform weight 1/k is shown, besides that of all heads."""
_SHOWN = 6
_STEPS = 200


def survival(weights_CH: Any, at_T: Any) -> np.ndarray:
    """Return the share of a class's heads whose weight is above each threshold, (C, T).

    Args:
        weights_CH: head weights, each row sums to 1.
        at_T: thresholds.
    """
    weights_CH, at_T = as_array(weights_CH, "weights_CH", 2), as_array(at_T, "at_T", 1)
    sorted_CH = np.sort(weights_CH, axis=1)
    below_CT = np.stack([np.searchsorted(row, at_T, side="right") for row in sorted_CH])
    return 1 - below_CT / weights_CH.shape[1]


def effective_heads(weights_CH: Any) -> np.ndarray:
    """Return the number of equally weighted heads with the same concentration, 1 / Σ w², (C,)."""
    return 1 / np.square(as_array(weights_CH, "weights_CH", 2)).sum(1)


def spread_out(weights_CH: Any, count: int = _SHOWN) -> list[int]:
    """Return representative classes, evenly spaced from the most to the least concentrated weights."""
    order = np.argsort(effective_heads(weights_CH), kind="stable")
    places = np.linspace(0, len(order) - 1, min(count, len(order))).round().astype(int)
    return [int(order[place]) for place in places]


def survival_figure(
    weights_CH: Any,
    classes: Sequence[str],
    shown: Sequence[int] | None = None,
    *,
    width: float = SINGLE,
    theme: str = "light",
) -> Figure:
    """Draw survival functions of some classes, a band over all, and uniform weights 1/k as dashed lines.

    Args:
        weights_CH: head weights, each row sums to 1 (eq. 12).
        classes: labels in class order.
        shown: indices of the classes that have a line; those of `spread_out` if None.
        width: in inches.
        theme: `light` or `dark`.
    """
    colours = theme_named(theme)
    weights_CH = as_array(weights_CH, "weights_CH", 2)
    if len(classes) != len(weights_CH):
        raise ValueError(f"Expected {len(weights_CH)} `classes`, but got {len(classes)}.")
    num_heads = weights_CH.shape[1]
    chosen = list(spread_out(weights_CH) if shown is None else shown)
    heads = effective_heads(weights_CH)
    lines = [k for k in UNIFORM if k < num_heads] + [num_heads]
    positive = weights_CH[weights_CH > 0]
    low, high = min(positive.min(), 1 / num_heads) / 1.3, max(positive.max(), 1 / lines[0]) * 1.3
    at_T = np.geomspace(low, high, _STEPS)
    with drawing(colours):
        figure = new_figure(width, 2.75 if width <= SINGLE else 2.6)
        axes = figure.subplots()
        if len(classes) > len(chosen):
            ends = np.quantile(survival(weights_CH, at_T), [0.05, 0.95], axis=0)
            axes.fill_between(at_T, *ends, color=colours.grid, lw=0, label="90 % of classes")
        for k in lines:
            axes.axvline(1 / k, color=colours.muted, lw=0.8, ls=(0, (4, 2)), zorder=1)
            axes.annotate(
                "all" if k == num_heads else str(k),
                (1 / k, 1),
                (0, 2),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=SMALL,
                color=colours.muted,
            )
        for number, c in enumerate(chosen):
            series = look(colours, number)
            w_H = np.sort(weights_CH[c])
            axes.step(
                np.concatenate([[low], w_H[w_H > 0], [high]]),
                np.concatenate([1 - np.arange((w_H == 0).sum(), num_heads + 1) / num_heads, [0]]),
                where="post",
                color=series.colour,
                ls=series.dash,
                label=f"{short(classes[c], 17)} ({heads[c]:.0f})",
            )
        axes.set_xscale("log")
        axes.set_xlim(low, high)
        axes.set_ylim(0, 1.04 * float((weights_CH > 0).mean(1).max()))
        _plain_log_ticks(axes, low, high)
        axes.set_xlabel("weight w")
        axes.set_ylabel("share of heads with weight > w")
        # Below the axes in one column, next to them in two.
        figure.legend(
            loc="outside lower center" if width <= SINGLE else "outside right upper",
            ncols=2 if width <= SINGLE else 1,
            title="class (effective number of heads)",
            columnspacing=1.2,
        )
        axes.set_title("uniform weight 1/k for k =", loc="left", fontsize=SMALL, color=colours.muted, pad=11)
    return figure


def _plain_log_ticks(axes: Any, low: float, high: float) -> None:
    """Return ticks at 1, 2, 5 times powers of ten, as few as fit, as plain numbers."""
    for mantissas in ((1, 2, 5), (1, 3), (1,)):
        ticks = [m * 10.0**e for e in range(-12, 1) for m in mantissas if low <= m * 10.0**e <= high]
        if len(ticks) <= 6:
            break
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FixedFormatter([f"{tick:g}" for tick in ticks]))
    axes.xaxis.set_minor_locator(NullLocator())
