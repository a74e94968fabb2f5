"""Reliability diagrams: accuracy against confidence, with the expected calibration error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from calm_pl.figures.arrays import as_array
from calm_pl.figures.style import DOUBLE, SINGLE, SMALL, drawing, looks, new_figure, theme_named

BINS = 15


class Bins(NamedTuple):
    """Predictions binned by confidence; empty bins are omitted.

    Attributes:
        confidence_B: mean confidence in each bin.
        accuracy_B: share of correct predictions.
        count_B: number of predictions.
        right_B: number of correct predictions.
    """

    confidence_B: np.ndarray
    accuracy_B: np.ndarray
    count_B: np.ndarray
    right_B: np.ndarray

    @property
    def ece(self) -> float:
        """Expected calibration error, L1: Σ n_b/N · |accuracy - confidence|."""
        gap_B = np.abs(self.accuracy_B - self.confidence_B)
        return float((self.count_B * gap_B).sum() / self.count_B.sum())


class Judged(NamedTuple):
    """Predictions of one method.

    Attributes:
        confidence_N: probability of each prediction.
        right_N: whether it is correct.
    """

    confidence_N: Any
    right_N: Any


def confidence_bins(confidence_N: Any, right_N: Any, bins: int = BINS) -> Bins:
    """Sort predictions into bins of equal width over [0, 1].

    Args:
        confidence_N: probability of each prediction.
        right_N: whether it is correct.
        bins: number of bins.
    """
    confidence_N = as_array(confidence_N, "confidence_N", 1)
    right_N = as_array(right_N, "right_N", 1)
    place_N = np.minimum((confidence_N * bins).astype(int), bins - 1)
    count = np.bincount(place_N, minlength=bins)
    kept = count > 0
    confidence = np.bincount(place_N, confidence_N, bins)[kept] / count[kept]
    right = np.bincount(place_N, right_N, bins)[kept]
    return Bins(confidence, right / count[kept], count[kept], right.astype(int))


def calibration_figure(
    methods: Mapping[str, Judged], *, width: float = DOUBLE, theme: str = "light"
) -> Figure:
    """Draw a reliability diagram per method: accuracy by confidence, Wilson intervals, shares of predictions.

    Args:
        methods: predictions by label.
        width: in inches.
        theme: `light` or `dark`.
    """
    from calm_pl.metrics.intervals import wilson  # torchmetrics takes a second to import

    colours = theme_named(theme)
    if not methods:
        raise ValueError("Expected at least one of `methods`, but got none.")
    columns = min(len(methods), 2 if width <= SINGLE else 3)
    rows = -(-len(methods) // columns)
    styles = looks(colours, list(methods))
    with drawing(colours):
        figure = new_figure(width, 0.35 + rows * (1.55 if width <= SINGLE else 1.75))
        panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
        for axes in panels[len(methods) :]:
            axes.remove()
        for place, (axes, (label, judged)) in enumerate(zip(panels, methods.items(), strict=False)):
            bins, style = confidence_bins(*judged), styles[label]
            share_B = bins.count_B / bins.count_B.sum()
            axes.plot([0, 1], [0, 1], color=colours.muted, lw=0.7, ls=(0, (4, 2)), zorder=1)
            edges_B = (np.minimum(bins.confidence_B * BINS, BINS - 1).astype(int) + 0.5) / BINS
            axes.bar(edges_B, share_B * 0.3, 0.9 / BINS, color=colours.grid, zorder=0)
            ends = [wilson(int(r), int(n)) for r, n in zip(bins.right_B, bins.count_B, strict=True)]
            low, high = np.array([end.low for end in ends]), np.array([end.high for end in ends])
            axes.vlines(bins.confidence_B, low, high, color=style.colour, lw=0.8, alpha=0.6)
            axes.plot(
                bins.confidence_B,
                bins.accuracy_B,
                color=style.colour,
                marker=style.marker,
                ls="none",
                clip_on=False,
                zorder=3,
            )
            axes.set_title(label, loc="left", pad=3)
            axes.set_title(f"ECE {100 * bins.ece:.1f} %", loc="right", pad=3, fontsize=SMALL + 0.5)
            axes.set_xlim(0, 1)
            axes.set_ylim(0, 1)
            axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
            axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
            axes.tick_params(labelbottom=place + columns >= len(methods))
        figure.supxlabel("confidence", fontsize=7, color=colours.ink)
        figure.supylabel("accuracy", fontsize=7, color=colours.ink)
    return figure
