"""Paths of a manifest's clips: below a root, or found there by name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from calm_pl.data.found_files import by_name
from calm_pl.errors import DataError


class ManifestPaths:
    """Where the files of a manifest are.

    Args:
        root: folder that relative paths start from.
        allow_outside: whether paths may lead out of it.
    """

    def __init__(self, root: Path, allow_outside: bool) -> None:
        self.root = Path(os.path.abspath(root))
        self.allow_outside = allow_outside

    def find(self, text: str, where: str, other_machine: bool) -> Path:
        """Return the file that a string refers to.

        Args:
            text: relative or absolute path.
            where: row, for errors.
            other_machine: an absolute path may be one of another machine: a file of the same name is looked
                for below `root`. Where several have it, the longest common end of the path decides.

        Raises:
            DataError: it leads out of `root`, or several files may be meant.
        """
        if "\0" in text:
            raise DataError(f"{where}: path must not hold a zero byte, but is {text!r}.")
        # By its text, not by what links lead to: links below the root are the user's own.
        path = Path(os.path.normpath(self.root / text))
        if path.is_relative_to(self.root):
            return path
        if self.allow_outside and (path.is_file() or not other_machine):
            return path
        if other_machine and Path(text).is_absolute():
            return self._same_name(path, where)
        raise DataError(
            f"{where}: path must stay below {self.root} (data.root), but is {text!r};"
            " data.allow_outside=true lets it."
        )

    def id_of(self, path: Path) -> str:
        """Return the path below `root`, the same on every machine; the full path for a file elsewhere."""
        return (path.relative_to(self.root) if path.is_relative_to(self.root) else path).as_posix()

    @cached_property
    def _by_name(self) -> Mapping[str, list[Path]]:
        return by_name(self.root)

    def _same_name(self, path: Path, where: str) -> Path:
        found = self._by_name.get(path.name, [])
        if not found:
            return self.root / path.name
        common = {one: _common_end(one, path) for one in found}
        best = [one for one in found if common[one] == max(common.values())]
        if len(best) > 1:
            raise DataError(
                f"{where}: {path.name} is more than once below {self.root} (data.root): {best[0]}, {best[1]};"
                " set data.root to the folder that is meant."
            )
        return best[0]


def _common_end(first: Path, second: Path) -> int:
    """Return how many parts two paths share, counted from their end."""
    same = [a == b for a, b in zip(reversed(first.parts), reversed(second.parts), strict=False)]
    return same.index(False) if False in same else len(same)
