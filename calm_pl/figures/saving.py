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
    """Write a figure; the suffix determines the format. It appears under its name only when complete.

    Dates and random identifiers are omitted. Identifiers in an SVG depend on the file's name, so that one
    page can embed several. PNG has 300 dots per inch. Characters that DejaVu Sans lacks appear in SVG, which
    uses the reader's fonts, and as boxes in PDF and PNG.

    Args:
        figure: a figure from this package; later saves keep the layout of the first.
        path: ends in .svg, .pdf or .png.
        title: title in the file's metadata.

    Raises:
        ValueError: another suffix.
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
    """Lay out a figure once, so that drawing it again changes nothing."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")


def _print(figure: Figure, part: Path, kind: str, title: str | None) -> None:
    """Print with the format's canvas: `savefig` would draw everything again for the layout."""
    # Without software, versions and dates, the same figure gives the same file.
    nothing: dict[str, Any] = {"Creator": None, "Title": title}
    if kind == "svg":
        FigureCanvasSVG(figure).print_svg(part, metadata={**nothing, "Date": None})
    elif kind == "pdf":
        dates = {"CreationDate": None, "ModDate": None, "Producer": None}
        FigureCanvasPdf(figure).print_pdf(part, metadata={**nothing, **dates})
    else:
        figure.set_dpi(_DPI)
        FigureCanvasAgg(figure).print_png(part, metadata={"Software": None, "Title": title})
