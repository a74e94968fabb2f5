"""Save figures: SVG with text as text, PDF with its fonts, PNG; the same bytes for the same figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from calm_pl.atomic_files import replacing
from calm_pl.figures.style import drawing

FORMATS = ("svg", "pdf", "png")
_DPI = 300


def save(figure: Figure, path: str | Path, title: str = "") -> Path:
    """Write a figure; the format is that of the name's ending. It appears under its name only when complete.

    Dates and random identifiers are left out. Identifiers in an SVG depend on the file's name, so that
    several can stand on one page. PNG has 300 dots an inch. Letters that DejaVu Sans has not are right in
    SVG, where the reader's fonts draw them, and boxes in PDF and PNG.

    Args:
        figure: of any function of this package; later saves keep the layout of the first.
        path: ends in .svg, .pdf or .png.
        title: for readers that show one.

    Raises:
        ValueError: another ending.
    """
    path = Path(path)
    kind = path.suffix.removeprefix(".")
    if kind not in FORMATS:
        raise ValueError(f"Expected a name that ends in one of {FORMATS}, but got {path.name!r}.")
    with drawing(), matplotlib.rc_context({"svg.hashsalt": path.stem}):
        settle(figure)
        with replacing(path) as part:
            _print(figure, part, kind, title or None)
    return path


def settle(figure: Figure) -> None:
    """Lay out a figure once, so that drawing it moves nothing."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")


def _print(figure: Figure, part: Path, kind: str, title: str | None) -> None:
    """Print with the format's own canvas: `savefig` would draw everything again to lay it out."""
    # Software and versions go as well as dates: the same figure is the same file.
    nothing: dict[str, Any] = {"Creator": None, "Title": title}
    if kind == "svg":
        FigureCanvasSVG(figure).print_svg(part, metadata={**nothing, "Date": None})
    elif kind == "pdf":
        dates = {"CreationDate": None, "ModDate": None, "Producer": None}
        FigureCanvasPdf(figure).print_pdf(part, metadata={**nothing, **dates})
    else:
        figure.set_dpi(_DPI)
        FigureCanvasAgg(figure).print_png(part, metadata={"Software": None, "Title": title})
