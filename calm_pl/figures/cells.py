"""Cells of a matrix, as vectors if they are few and as an image if they are many."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize

from calm_pl.figures.style import SMALL, Theme, on

_MOST_VECTORS = 2500


def draw_cells(
    axes: Axes, values_RC: np.ndarray, scale: Colormap, norm: Normalize, theme: Theme, upwards: bool = True
) -> ScalarMappable:
    """Draw the cell of row r and column c around (c, r), with sharp edges in every format.

    Args:
        axes: axes to draw in.
        values_RC: values; NaN is left blank.
        scale: colour map.
        norm: maps values to [0, 1].
        theme: colours of the frame.
        upwards: whether row 0 is at the bottom.
    """
    rows, columns = values_RC.shape
    mesh: Any
    if values_RC.size <= _MOST_VECTORS:
        mesh = axes.pcolormesh(
            np.arange(columns + 1) - 0.5,
            np.arange(rows + 1) - 0.5,
            np.ma.masked_invalid(values_RC),
            cmap=scale,
            norm=norm,
            edgecolor=theme.paper,
            linewidth=0.5 if values_RC.size <= 400 else 0.2,
        )
    else:
        mesh = axes.imshow(
            np.ma.masked_invalid(values_RC), cmap=scale, norm=norm, interpolation="none", aspect="auto"
        )
    axes.set_xlim(-0.5, columns - 0.5)
    axes.set_ylim(*((-0.5, rows - 0.5) if upwards else (rows - 0.5, -0.5)))
    for side in ("top", "right", "bottom", "left"):
        axes.spines[side].set(visible=True, color=theme.grid)
    return mesh


def write_in_cells(
    axes: Axes,
    mesh: ScalarMappable,
    values_RC: np.ndarray,
    texts: dict[tuple[int, int], str],
    theme: Theme,
    size: float = SMALL,
) -> None:
    """Write text into cells, readable against their colour.

    Args:
        axes: the axes passed to `draw_cells`.
        mesh: the result of `draw_cells`.
        values_RC: the values drawn.
        texts: text by (row, column).
        theme: its ink or paper colours the text.
        size: of the text, in points.
    """
    for (row, column), text in texts.items():
        colour = on(theme, mesh.to_rgba(values_RC[row, column]))
        axes.text(column, row, text, ha="center", va="center", fontsize=size, color=colour)
