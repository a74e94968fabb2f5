"""Media files on disk, found by walking a folder once rather than by checking each path."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from calm_pl.media import MEDIA_SUFFIXES

# What file managers, archives and storage boxes leave beside the user's files.
_LEFT_BEHIND = {"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found"}
_LEFT_BEHIND |= {"Thumbs.db", "desktop.ini"}


def is_hidden(name: str) -> bool:
    """Return whether a name is hidden or left behind by a system, such as `._a.wav` and `__MACOSX`."""
    return name.startswith(".") or name in _LEFT_BEHIND


def is_media(path: Path) -> bool:
    """Return whether a file's suffix is that of audio or video."""
    return path.suffix.lower() in MEDIA_SUFFIXES


def walk(folder: Path) -> Iterator[Path]:
    """Walk the files below a folder, without hidden ones, following links; in the same order everywhere."""
    for here, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        yield from (Path(here, name) for name in sorted(names) if not is_hidden(name))


def by_stem(folder: Path, suffixes: Sequence[str] = MEDIA_SUFFIXES) -> dict[str, Path]:
    """Return media files below a folder by their name without suffix; none if there is no such folder.

    Where several share a name, the one whose suffix comes first counts.
    """
    rank = {suffix: place for place, suffix in enumerate(suffixes)}
    found: dict[str, Path] = {}
    for path in walk(folder):
        place = rank.get(path.suffix.lower())
        other = found.get(path.stem)
        if place is not None and (other is None or place < rank[other.suffix.lower()]):
            found[path.stem] = path
    return found


def by_name(folder: Path) -> Mapping[str, list[Path]]:
    """Return all files below a folder by their full name."""
    found: dict[str, list[Path]] = defaultdict(list)
    for path in walk(folder):
        found[path.name].append(path)
    return found
