"""Files that runs write, told from those that users keep beside them."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from calm_pl.regular_files import read_regular

Stamp = tuple[int, int]
"""Inode and time of a change: another one is another file."""


def remove_files(folder: Path, names: Sequence[str]) -> None:
    """Remove the files of a run of another kind, such as a sweep's where a run is to be.

    Raises:
        OSError: one cannot be removed.
    """
    for path in stamps(folder, names):
        path.unlink()


def stamps(folder: Path, names: Sequence[str]) -> dict[Path, Stamp]:
    """Return inode and time of the files of these names, and of all that an index of figures names."""
    paths = [folder / name for name in names]
    for index in [path for path in paths if path.name == "index.json"]:
        paths += [index.parent / name for name in _listed(index)]
    return {path: stamp for path in paths if (stamp := stamp_of(path)) is not None}


def stamp_of(path: Path) -> Stamp | None:
    """Return the stamp of a file; None where there is none."""
    try:
        stat = os.lstat(path)
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns


def _listed(index: Path) -> set[str]:
    """Return the files that an index of figures names, none outside its folder."""
    try:
        entries = json.loads(read_regular(index))["figures"]
        names = {str(file) for entry in entries for file in entry["files"].values()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return set()
    return {name for name in names if Path(name).name == name}
