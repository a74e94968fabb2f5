"""Location of the strongest heads (the paper's figure 6)."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from calm_pl.figures.arrays import as_array
from calm_pl.figures.cells import draw_cells
from calm_pl.figures.style import SINGLE, drawing, new_figure, ramp, theme_named


def strongest_counts(weights_CH: Any, num_layers: int) -> np.ndarray:
    """Count for how many classes each head has the largest weight, (L, A) int64; ties: the lower head index.

    Args:
        weights_CH: head weights, layer-major.
        num_layers: L, which must divide H.
    """
    weights_CH = as_array(weights_CH, "weights_CH", 2)
    num_heads = weights_CH.shape[1]
    if num_layers < 1 or num_heads % num_layers:
        raise ValueError(f"Expected `num_layers` to divide the {num_heads} heads, but got {num_layers}.")
    counts_H = np.bincount(weights_CH.argmax(1), minlength=num_heads)
    return counts_H.reshape(num_layers, -1)


def head_map_figure(counts_LA: Any, *, width: float = SINGLE, theme: str = "light") -> Figure:
    """Draw counts by layer (layer 0 at the top, as on the page) and head, with their sums over both.

    Args:
        counts_LA: the result of `strongest_counts`.
        width: in inches.
        theme: `light` or `dark`.
    """
    colours = theme_named(theme)
    counts_LA = as_array(counts_LA, "counts_LA", 2)
    num_layers, num_heads = counts_LA.shape
    most = int(counts_LA.max())
    scale = ramp(colours)
    with drawing(colours):
        figure = new_figure(width, width * 0.95 if width <= SINGLE else width * 0.55)
        grid = figure.add_gridspec(2, 2, width_ratios=(4, 1), height_ratios=(1, 4.2))
        axes = figure.add_subplot(grid[1, 0])
        top = figure.add_subplot(grid[0, 0], sharex=axes)
        right = figure.add_subplot(grid[1, 1], sharey=axes)
        norm = BoundaryNorm(_levels(most), scale.N)
        mesh = draw_cells(axes, counts_LA, scale, norm, colours, upwards=False)
        axes.set_xlabel("head")
        axes.set_ylabel("layer")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 4, 5, 8, 10]))
        bar = colours.series[0]
        top.bar(np.arange(num_heads), counts_LA.sum(0), 0.8, color=bar)
        right.barh(np.arange(num_layers), counts_LA.sum(1), 0.8, color=bar)
        top.tick_params(labelbottom=False, length=0)
        right.tick_params(labelleft=False, length=0)
        top.yaxis.set_major_locator(MaxNLocator(2, integer=True))
        right.xaxis.set_major_locator(MaxNLocator(2, integer=True))
        top.tick_params(axis="y", length=2.5)
        right.tick_params(axis="x", length=2.5)
        top.set_ylabel("classes", rotation=0, ha="right", va="center")
        right.set_xlabel("classes")
        corner = figure.add_subplot(grid[0, 1])
        corner.axis("off")
        place = corner.inset_axes((0.02, 0.3, 0.96, 0.22))
        strip = figure.colorbar(mesh, cax=place, orientation="horizontal", drawedges=False)
        strip.outline.set_visible(False)
        strip.set_ticks([0.5, most + 0.5] if most <= 8 else [0.5, most])
        strip.set_ticklabels(["0", str(most)])
        strip.minorticks_off()
        strip.ax.tick_params(length=0, pad=2)
        corner.set_title("classes", pad=-4, fontsize=6)
    return figure


def _levels(most: int) -> np.ndarray:
    """Return colour levels: one per count if there are few; 0 always has its own."""
    if most <= 8:
        return np.arange(0, most + 2, dtype=float)
    return np.concatenate([[0.0], np.unique(np.geomspace(1, most + 1, 9).round())])
