"""Figure of masks: which heads are on, how many per layer, and the similarity of masks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from calm_pl.atomic_files import replacing
from calm_pl.errors import RunError

if TYPE_CHECKING:
    from torch import Tensor

    from calm_pl.models.masks import HeadMask

_FORMATS = (".svg", ".png", ".pdf")


def draw_masks(names: Sequence[str], masks: Sequence[HeadMask], similarity_MM: Tensor, path: Path) -> None:
    """Write the figure: one panel per mask, then heads by layer, then the table of similarities.

    Args:
        names: names of the M masks.
        masks: masks of the same shape.
        similarity_MM: Jaccard similarities.
        path: the file; its suffix determines the format.

    Raises:
        RunError: an unknown suffix, or a folder that cannot be written.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    if path.suffix.lower() not in _FORMATS:
        raise RunError(f"{path}: a figure must end in {', '.join(_FORMATS)}.")
    count = len(masks)
    layers, heads = masks[0].on_LA.shape
    panel = 1.2 + 2.2 * min(1.0, heads / max(layers, 1))
    figure = Figure(figsize=(max(7.0, panel * count), 6.4), layout="constrained")
    rows = figure.add_gridspec(2, 1, height_ratios=[1, 1.1])
    upper, lower = rows[0].subgridspec(1, count), rows[1].subgridspec(1, 2)
    for place, name, mask in zip(range(count), names, masks, strict=True):
        axes = figure.add_subplot(upper[place])
        axes.imshow(mask.on_LA.numpy(), cmap="Greys", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
        axes.set_title(f"{name}\n{mask.num_on} of {layers * heads} heads on", fontsize=9)
        axes.set_xlabel("head")
        axes.set_ylabel("layer")
    by_layer, alike = figure.add_subplot(lower[0]), figure.add_subplot(lower[1])
    for name, mask in zip(names, masks, strict=True):
        by_layer.plot(range(layers), mask.on_LA.sum(1).tolist(), marker="o", markersize=3, label=name)
    by_layer.set_xlabel("layer")
    by_layer.set_ylabel("active heads")
    by_layer.set_ylim(0, heads + 0.5)
    by_layer.xaxis.set_major_locator(MaxNLocator(integer=True))
    by_layer.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1.0))
    alike.imshow(similarity_MM.numpy(), cmap="Blues", vmin=0, vmax=1)
    for row in range(count):
        for column in range(count):
            value = float(similarity_MM[row, column])
            colour = "white" if value > 0.6 else "black"
            alike.text(column, row, f"{value:.2f}", ha="center", va="center", color=colour, fontsize=8)
    alike.set_xticks(range(count), names, rotation=30, ha="right", fontsize=8)
    alike.set_yticks(range(count), names, fontsize=8)
    alike.set_title("Jaccard similarity", fontsize=9)
    try:
        with replacing(path) as part:
            figure.savefig(part, format=path.suffix.lower().removeprefix("."), dpi=150)
    except OSError as error:
        raise RunError(f"{path}: cannot be written: {error.strerror}.") from error
