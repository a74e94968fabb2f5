"""A folder of figures and its `index.json`, which pages and dashboards read."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from calm_pl.atomic_files import write_text
from calm_pl.figures.run import Drawing, LeftOut
from calm_pl.figures.saving import FORMATS, save
from calm_pl.regular_files import read_regular

INDEX = "index.json"


class Kind(NamedTuple):
    """A kind of file in which each figure is saved.

    Attributes:
        theme: `light` or `dark`.
        format: `svg`, `pdf` or `png`.
    """

    theme: str
    format: str

    @property
    def key(self) -> str:
        """Key in the index: `svg`, `svg_dark`."""
        return self.format if self.theme == "light" else f"{self.format}_{self.theme}"

    def file(self, name: str) -> str:
        """Return a figure's file of this kind: `det.svg`, `det-dark.svg`."""
        return f"{name}.{self.format}" if self.theme == "light" else f"{name}-{self.theme}.{self.format}"


USUAL = (*(Kind("light", kind) for kind in FORMATS), Kind("dark", "svg"))
IN_PAGES = tuple(kind for kind in USUAL if kind.format == "svg")
"""What a run's page embeds. Half of the time to draw a figure goes into its PDF and PNG."""


def draw_into(
    folder: str | Path,
    drawings: Iterable[Drawing | LeftOut],
    kinds: Sequence[Kind] = USUAL,
    *,
    width: float | None = None,
    fresh: bool = True,
) -> dict[str, Any]:
    """Draw figures, write the index last, and return it.

    A figure that cannot be drawn causes a warning and is listed under `left_out`; the job goes on.

    Args:
        folder: created if necessary.
        drawings: the figures.
        kinds: kinds of files to write for each.
        width: in inches; each figure's usual width if None.
        fresh: delete other figures that the folder already has; otherwise keep them, files of other kinds,
            and what the index says of figures that were left out.
    """
    folder = Path(folder)
    old = read_index(folder)
    before = {} if fresh else {entry["name"]: entry for entry in old["figures"]}
    old_files = _files_of(old)
    done: dict[str, dict[str, Any]] = {}
    left_out: list[dict[str, str]] = []
    for drawing in drawings:
        if isinstance(drawing, LeftOut):
            left_out.append(drawing._asdict())
            continue
        try:
            done[drawing.name] = _draw(folder, drawing, kinds, width)
        except Exception as error:  # whatever Matplotlib raises: results must still be written
            reason = f"{type(error).__name__}: {error}"
            warnings.warn(f"The figure {drawing.name} could not be drawn: {reason}", stacklevel=2)
            left_out.append({"name": drawing.name, "reason": reason})
    for name, entry in before.items():
        if name in done:
            done[name]["files"] = entry["files"] | done[name]["files"]
    if not fresh:
        now = {one["name"]: one for one in left_out}
        left_out = [one for name, one in (_left_out_of(old) | now).items() if name not in done]
    index = {"figures": list((before | done).values()), "left_out": left_out}
    for file in old_files - _files_of(index):
        (folder / file).unlink(missing_ok=True)
    write_text(folder / INDEX, json.dumps(index, indent=2, ensure_ascii=False) + "\n")
    return index


def read_index(folder: str | Path) -> dict[str, Any]:
    """Read the index of a folder of figures; empty if there is none.

    Returns:
        `{"figures": [{"name", "title", "caption", "width_in", "height_in", "files": {"svg", "svg_dark",
        "pdf", "png"}}], "left_out": [{"name", "reason"}]}`; files are named relative to the folder.
    """
    try:
        index = json.loads(read_regular(Path(folder) / INDEX))
        _files_of(index)
        _left_out_of(index)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # missing or invalid
        return {"figures": [], "left_out": []}
    return dict(index)


def _draw(folder: Path, drawing: Drawing, kinds: Sequence[Kind], width: float | None) -> dict[str, Any]:
    files, size = {}, [0.0, 0.0]
    for theme in dict.fromkeys(kind.theme for kind in kinds):
        figure = drawing.draw(theme, width)
        size = figure.get_size_inches().tolist()
        for kind in kinds:
            if kind.theme == theme:
                files[kind.key] = save(figure, folder / kind.file(drawing.name), drawing.title).name
    return {
        "name": drawing.name,
        "title": drawing.title,
        "caption": drawing.caption,
        "width_in": round(size[0], 3),
        "height_in": round(size[1], 3),
        "files": files,
    }


def _files_of(index: dict[str, Any]) -> set[str]:
    """Return the names of all files of an index, except those with a folder in them."""
    names = {str(file) for entry in index["figures"] for file in entry["files"].values()}
    return {name for name in names if Path(name).name == name}


def _left_out_of(index: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Return the entries of figures that were left out, by name."""
    return {
        str(one["name"]): {"name": str(one["name"]), "reason": str(one["reason"])}
        for one in index["left_out"]
    }
