"""Embed a run folder's figures in its page."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from calm_pl.report.html import Html, tag

_WIDE = 400  # points
_MOST_BYTES = 1_500_000  # per figure: the page must open on a phone


class Figure(NamedTuple):
    """A figure as `figures/index.json` lists it.

    Attributes:
        name: name of its files, without suffix.
        title: what it shows, in a few words.
        caption: how to read it.
    """

    name: str
    title: str
    caption: str


def listed_figures(run_dir: Path) -> list[Figure]:
    """Return the figures of `figures/index.json`; none if the file is missing or invalid."""
    try:
        index = json.loads((run_dir / "figures" / "index.json").read_text(encoding="utf-8"))
        found = [Figure(str(e["name"]), str(e["title"]), str(e.get("caption", ""))) for e in index["figures"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
    # A name, not a path.
    return [one for one in found if one.name and Path(one.name).name == one.name]


def figures_section(run_dir: Path, without: Collection[str] = ()) -> Html | None:
    """Return the section of the existing figures; None if there are none.

    Args:
        run_dir: the run folder.
        without: names of figures that the page shows in its own way.
    """
    folder = run_dir / "figures"
    parts = []
    for one in listed_figures(run_dir):
        if one.name in without:
            continue
        light = folder / f"{one.name}.svg"
        if not light.is_file():
            continue
        dark = folder / f"{one.name}-dark.svg"
        size = light.stat().st_size + (dark.stat().st_size if dark.is_file() else 0)
        if size > _MOST_BYTES:
            image = tag(
                "p", f"Too large for this page ({size / 1e6:.1f} MB): figures/{one.name}.svg", class_="muted"
            )
        else:
            # As an image: browsers do not run scripts or load references of an SVG image.
            source = (
                tag("source", media="(prefers-color-scheme: dark)", srcset=_uri(dark))
                if dark.is_file()
                else None
            )
            image = tag("picture", source, tag("img", src=_uri(light), alt=one.title))
        caption = tag("figcaption", tag("strong", one.title), " ", one.caption)
        parts.append(tag("figure", image, caption, class_="wide" if _is_wide(light) else None))
    return tag("div", parts, class_="figures") if parts else None


def _is_wide(svg: Path) -> bool:
    """Return whether a figure was drawn for two columns of a paper: its text is too small in one."""
    found = re.search(rb'<svg[^>]* width="([\d.]+)pt"', svg.read_bytes()[:4096])
    return found is not None and float(found[1]) > _WIDE


def _uri(path: Path) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(path.read_bytes()).decode()}"
