"""Paths of a manifest's clips: below a root, or found there by name."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from calm_pl.data.alike import plain
from calm_pl.data.found_files import by_name, is_media
from calm_pl.errors import DataError

_DRIVE = re.compile(r"[A-Za-z]:[/\\]")


class ManifestPaths:
    """Where the files of a manifest are.

    Args:
        root: folder that relative paths start from.
        allow_outside: whether paths may lead out of it.
        prefix: `data.path_prefix`, `OLD=NEW`.

    Raises:
        DataError: `prefix` has another form.
    """

    def __init__(self, root: Path, allow_outside: bool, prefix: str | None = None) -> None:
        self._old, equals, self._new = (prefix or "").partition("=")
        if prefix is not None and not (self._old and equals):
            raise DataError(f"data.path_prefix must be OLD=NEW, but is {prefix!r}.")
        self._mapped_any = False
        self._respelled: dict[str, str] = {}
        self._listed: dict[Path, Mapping[str, None]] = {}
        self._readings: dict[Path, Mapping[str, list[str]]] = {}
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
        mapped = self._mapped(text)
        path = self._resolved(mapped, where, other_machine, text)
        if not self._is_listed(path) and "\\" in mapped:
            path = self._resolved(mapped.replace("\\", "/"), where, other_machine, text)
        if self._is_listed(path) or not path.is_relative_to(self.root):
            return path
        return self._alike(path, where) or path

    def notes(self) -> list[str]:
        """Return what a reader of the results must know about the paths, after all were found.

        Raises:
            DataError: no path began as `data.path_prefix` says.
        """
        if self._old and not self._mapped_any:
            raise DataError(f"data.path_prefix: no path of the list begins with {self._old!r}.")
        if not self._respelled:
            return []
        listed, there = next(iter(self._respelled.items()))
        return [f"{len(self._respelled):,} paths are spelled differently on disk: {listed!r} is {there!r}"]

    def _mapped(self, text: str) -> str:
        rest = text.removeprefix(self._old)
        if not self._old or rest == text or not (self._old[-1] in "/\\" or rest[:1] in ("", "/", "\\")):
            return text
        self._mapped_any = True
        return self._new + rest if self._new else rest.lstrip("/\\")

    def _resolved(self, text: str, where: str, other_machine: bool, given: str) -> Path:
        # By its text, not by what links lead to: links below the root are the user's own.
        path = Path(os.path.normpath(self.root / text))
        if path.is_relative_to(self.root) and not _DRIVE.match(text):
            return path
        if self.allow_outside and (path.is_file() or not other_machine):
            return path
        if other_machine and (Path(text).is_absolute() or _DRIVE.match(text)):
            return self._same_name(Path(text.replace("\\", "/")), where)
        raise DataError(
            f"{where}: path must stay below {self.root} (data.root), but is {given!r};"
            " data.allow_outside=true lets it, data.path_prefix=OLD=NEW maps paths of another machine."
        )

    def _is_listed(self, path: Path) -> bool:
        """Return whether a file is there; a folder is listed once, since lists name many of its files."""
        return path.name in self._names(path.parent)

    def _names(self, folder: Path) -> Mapping[str, None]:
        if folder not in self._listed:
            try:
                self._listed[folder] = dict.fromkeys(sorted(os.listdir(folder)))
            except OSError:
                self._listed[folder] = {}
        return self._listed[folder]

    def _alike(self, path: Path, where: str) -> Path | None:
        """Return the one file below the root whose path reads the same, else None.

        NFC or NFD, outer blanks and zero-width characters, the suffix's case and a suffix left out do not
        count.

        Raises:
            DataError: several may be meant.
        """
        here = self.root
        parts = path.relative_to(self.root).parts
        for place, part in enumerate(parts, 1):
            names = self._names(here)
            found = [part] if part in names else self._by_reading(here).get(plain(part), [])
            if not found and place == len(parts):
                found = self._by_reading(here).get(_without_case(part), [])
            if len(found) > 1:
                raise DataError(
                    f"{where}: {part!r} may be {found[0]!r} or {found[1]!r} in {here}; name one of them."
                )
            if not found:
                return None
            here = here / found[0]
        self._respelled[str(path.relative_to(self.root))] = str(here.relative_to(self.root))
        return here

    def _by_reading(self, folder: Path) -> Mapping[str, list[str]]:
        """Return names of a folder by how they read: whole, with the suffix in lower case, without it."""
        if folder not in self._readings:
            readings: dict[str, list[str]] = defaultdict(list)
            for name in self._names(folder):
                keys = {plain(name), _without_case(name)}
                if is_media(Path(name)):
                    keys.add(plain(Path(name).stem))
                for key in keys:
                    readings[key].append(name)
            self._readings[folder] = readings
        return self._readings[folder]

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


def _without_case(name: str) -> str:
    """Return how a name reads with its suffix in lower case."""
    path = Path(plain(name))
    return path.stem + path.suffix.lower()
