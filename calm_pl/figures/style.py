"""Shared style of all figures: paper widths, light and dark themes, a palette, and a look per series.

Sizes are in inches and points in print: a column of a two-column paper is 3.3 in wide, a page 7 in. No text
is smaller than 5.5 pt.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import matplotlib.style
from matplotlib.colors import Colormap, LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure

SINGLE = 3.3
"""Width of one column, in inches."""
DOUBLE = 7.0
"""Width of two columns, in inches."""
SMALL = 5.5
"""The smallest text, in points."""
THEMES = ("light", "dark")


class Look(NamedTuple):
    """How a series is drawn, so that it can be distinguished without colour.

    Attributes:
        colour: hexadecimal colour.
        marker: Matplotlib's marker.
        dash: Matplotlib's line style.
    """

    colour: str
    marker: str
    dash: Any


class Theme(NamedTuple):
    """Colours of a theme.

    Attributes:
        name: `light` or `dark`.
        paper: background.
        ink: text and axes.
        muted: secondary elements: ticks, baselines.
        grid: grid lines and edges of empty cells.
        series: colours of series: hues of Okabe and Ito at different lightnesses, so that colour-blind
            readers can distinguish the first six, which the methods have.
        ramp: colours of a scale from 0 to 1, with increasing contrast to the background.
    """

    name: str
    paper: str
    ink: str
    muted: str
    grid: str
    series: tuple[str, ...]
    ramp: tuple[str, ...]


LIGHT = Theme(
    "light",
    "#ffffff",
    "#1b1f24",
    "#5d6670",
    "#dfe3e8",
    ("#2f7fd6", "#a8441f", "#22a07f", "#8d1878", "#dc7a0a", "#1f2326", "#7a8794", "#b08a4f"),
    ("#f2f5f8", "#b9d7ec", "#5ba6d6", "#0f6cab", "#0a2a4f"),
)
DARK = Theme(
    "dark",
    "#14171c",
    "#e9ecef",
    "#a2abb5",
    "#343b45",
    ("#3f8df2", "#e2501c", "#35eb9c", "#b8508a", "#ede23f", "#cfe3fa", "#8794a2", "#b08a5a"),
    ("#1d222a", "#154a75", "#2382c4", "#7dc2f0", "#eef8ff"),
)
_MARKERS = "osD^vPX*"
_DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.5, 1.2, 1.5)))
# A method looks the same in every figure, whichever other methods a run has.
KNOWN = ("CALM", "SAVs", "CALM-Global", "CALM-Auto", "GDA", "zero-shot")


def theme_named(name: str) -> Theme:
    """Return a theme by its name.

    Raises:
        ValueError: there is no such theme.
    """
    for theme in (LIGHT, DARK):
        if theme.name == name:
            return theme
    raise ValueError(f"Expected argument `theme` to be one of {THEMES}, but got {name!r}.")


def look(theme: Theme, number: int) -> Look:
    """Return the look of a series by number; after eight, colours and markers repeat with other dashes."""
    colours = len(theme.series)
    dash = _DASHES[(number % colours + number // colours) % len(_DASHES)]
    return Look(theme.series[number % colours], _MARKERS[number % len(_MARKERS)], dash)


def looks(theme: Theme, labels: Sequence[str]) -> dict[str, Look]:
    """Return a look for each label: the one in `KNOWN`, else the next free one."""
    numbers = {label: KNOWN.index(label) for label in labels if label in KNOWN}
    taken = set(numbers.values())
    free = (n for n in range(len(KNOWN) + len(labels) + len(theme.series)) if n not in taken)
    for label in labels:
        if label not in numbers:
            numbers[label] = next(free)
    return {label: look(theme, numbers[label]) for label in labels}


def ramp(theme: Theme) -> Colormap:
    """Return a colour scale from 0 to 1; cells without a value have the background's colour."""
    scale = LinearSegmentedColormap.from_list(f"calm_pl-{theme.name}", list(theme.ramp))
    return scale.with_extremes(bad=theme.paper)


def on(theme: Theme, background: Any) -> str:
    """Return the text colour for a background: the theme's ink or paper."""
    return max((theme.ink, theme.paper), key=lambda colour: contrast(colour, background))


def contrast(one: Any, other: Any) -> float:
    """Compute the contrast ratio of two colours, 1 to 21 (WCAG 2.2, relative luminance)."""
    low, high = sorted(_luminance(colour) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: Any) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@contextmanager
def drawing(theme: Theme = LIGHT) -> Iterator[None]:
    """Apply Matplotlib settings while a figure is drawn or saved; the user's are restored afterwards.

    Text is not parsed as TeX, since a label may contain a dollar sign.
    """
    settings: dict[str, Any] = {
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans", "Verdana", "sans-serif"],
        "font.size": 7,
        "axes.labelsize": 7,
        "axes.titlesize": 7,
        "xtick.labelsize": 6.5,
        "ytick.labelsize": 6.5,
        "legend.fontsize": 6.5,
        "legend.title_fontsize": 6.5,
        "text.parse_math": False,
        "text.color": theme.ink,
        "axes.labelcolor": theme.ink,
        "axes.edgecolor": theme.muted,
        "axes.facecolor": theme.paper,
        "figure.facecolor": theme.paper,
        "xtick.color": theme.muted,
        "ytick.color": theme.muted,
        "xtick.labelcolor": theme.ink,
        "ytick.labelcolor": theme.ink,
        "axes.linewidth": 0.6,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "xtick.major.size": 2.5,
        "ytick.major.size": 2.5,
        "xtick.minor.size": 1.5,
        "ytick.minor.size": 1.5,
        "xtick.minor.width": 0.4,
        "ytick.minor.width": 0.4,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.titley": 1.0,  # otherwise searched for each drawing, a seventh of its time
        "grid.color": theme.grid,
        "grid.linewidth": 0.5,
        "lines.linewidth": 1.2,
        "lines.markersize": 3.5,
        "legend.frameon": False,
        "legend.handlelength": 2.4,
        "svg.fonttype": "none",
        "pdf.fonttype": 42,
    }
    with matplotlib.style.context(["default", settings]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # see `save`
        yield


class ShownFigure(Figure):
    """A figure that notebooks show, though pyplot does not know it."""

    def _repr_png_(self) -> bytes:
        picture = io.BytesIO()
        self.savefig(picture, format="png", dpi=110)
        return picture.getvalue()


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of a size in inches, whose parts make room for each other."""
    figure = ShownFigure(figsize=(width, height), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03, wspace=0.03, hspace=0.03)  # type: ignore[union-attr, call-arg]
    return figure
