"""Compare the reliability of each class's heads with the class's accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from calm_pl.figures.arrays import as_array
from calm_pl.figures.labels import label_points, short
from calm_pl.figures.style import SINGLE, drawing, new_figure, theme_named

_ALL_LABELLED = 12


def rank_correlation(one_N: Any, other_N: Any) -> float:
    """Compute Spearman's rank correlation, with mean ranks for ties; NaN if either side is constant."""
    ranks = [_mean_ranks(as_array(values, "values", 1)) for values in (one_N, other_N)]
    deviations = [rank - rank.mean() for rank in ranks]
    scale = float(np.sqrt(np.prod([np.square(deviation).sum() for deviation in deviations])))
    return float((deviations[0] * deviations[1]).sum()) / scale if scale > 0 else float("nan")


def _mean_ranks(values_N: np.ndarray) -> np.ndarray:
    _, place_N, count = np.unique(values_N, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return (last - (count - 1) / 2)[place_N]


def class_reliability_figure(
    reliability_C: Any,
    accuracy_C: Any,
    classes: Sequence[str],
    questions_C: Any,
    *,
    width: float = SINGLE,
    theme: str = "light",
) -> Figure:
    """Draw one dot per class; with more than 12 classes, only those with the lowest accuracy are named.

    Args:
        reliability_C: mean reliability of each class's heads on the support, weighted as they vote.
        accuracy_C: share of the class's query questions predicted correctly.
        classes: labels.
        questions_C: number of query questions, for the intervals (Wilson, 95 %).
        width: in inches.
        theme: `light` or `dark`.
    """
    from calm_pl.metrics.intervals import wilson  # torchmetrics takes a second to import

    colours = theme_named(theme)
    reliability_C = as_array(reliability_C, "reliability_C", 1)
    accuracy_C = as_array(accuracy_C, "accuracy_C", 1)
    if not len(reliability_C) == len(accuracy_C) == len(classes):
        raise ValueError(
            f"Expected a reliability and an accuracy for each of {len(classes)} classes, but got"
            f" {len(reliability_C)} and {len(accuracy_C)}."
        )
    order = np.lexsort((reliability_C, accuracy_C))
    named = order if len(order) <= _ALL_LABELLED else order[:_ALL_LABELLED]
    rho = rank_correlation(reliability_C, accuracy_C)
    many = len(classes) > 60
    with drawing(colours):
        figure = new_figure(width, 2.6)
        axes = figure.subplots()
        # One question of six is 17 points: the intervals say how little that is.
        ends = [wilson(round(share * n), n) for share, n in zip(accuracy_C, questions_C, strict=True)]
        axes.vlines(
            reliability_C,
            [one.low for one in ends],
            [one.high for one in ends],
            color=colours.series[0],
            lw=0.7,
            alpha=0.15 if many else 0.35,
        )
        axes.plot(
            reliability_C,
            accuracy_C,
            color=colours.series[0],
            marker="o",
            ls="none",
            markersize=2.6 if many else 4,
            alpha=0.55 if many else 0.9,
            markeredgewidth=0,
            clip_on=False,
        )
        room = 0.12 * max(0.05, float(np.ptp(reliability_C)))  # for names at the edges
        axes.set_xlim(float(reliability_C.min()) - room, float(reliability_C.max()) + room)
        axes.set_ylim(-0.03, 1.03)
        axes.set_yticks(np.linspace(0, 1, 6), [f"{tick}" for tick in range(0, 101, 20)])
        axes.grid(True)
        axes.set_xlabel("weighted mean reliability of the class's heads")
        axes.set_ylabel("accuracy, %")
        if not np.isnan(rho):
            axes.set_title(f"rank correlation {rho:+.2f}, {len(classes)} classes", loc="left")
        label_points(
            axes,
            np.concatenate([reliability_C[named], np.delete(reliability_C, named)]),
            np.concatenate([accuracy_C[named], np.delete(accuracy_C, named)]),
            [short(classes[c], 20) for c in named],
            colours,
        )
    return figure
