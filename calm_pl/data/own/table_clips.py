"""Files of clips that lie in tables: where a table names them, or written once from its bytes."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calm_pl.data.own.hf_tables import wav_of
from calm_pl.errors import BadClipError, DataError
from calm_pl.media import MEDIA_SUFFIXES
from calm_pl.media.signatures import NO_SOUND

_LONGEST_NOTE = 400  # bytes; the first bytes of a file are looked at


class TableClips:
    """Finder of a table's clips.

    Args:
        root: folder that relative paths are below; None for a data set that is not on this machine.
        cache: folder that clips are written to, under the hash of their content.
    """

    def __init__(self, root: Path | None, cache: Path) -> None:
        self.root = None if root is None else root.resolve()
        self.cache = cache

    def find(self, cell: Any, rate: Any, where: str) -> tuple[Path, str]:
        """Return a file with a cell's clip, and the clip's id. A file that a path names need not be there.

        Args:
            cell: a path, bytes, samples, or an object with `path`, `bytes` or `array` and `sampling_rate`.
            rate: samples a second where the cell is samples alone; None where nothing states it.
            where: the row and column, for errors.

        Raises:
            BadClipError: none of these.
            DataError: the cache cannot be written.
        """
        fields = cell if isinstance(cell, Mapping) else {}
        content = cell if isinstance(cell, (bytes, bytearray)) else fields.get("bytes")
        name = cell if isinstance(cell, str) else fields.get("path") or ""
        array = cell if isinstance(cell, list) else fields.get("array")
        if content is None and array is not None:
            try:
                content = wav_of(array, fields.get("sampling_rate", rate))
            except ValueError as error:
                raise BadClipError(f"{where}: {error}.") from error
            name = str(Path(name).with_suffix(".wav")) if name else ""
        if content is not None:
            return self._written(bytes(content), name)
        if name:
            return self._named(name)
        raise BadClipError(
            f"{where}: must be a path, bytes, or samples with their sampling_rate, but is {_short(cell)}."
        )

    def noted(self, fault: BadClipError) -> tuple[Path, str]:
        """Return a file that says why `find` refused a clip, in place of the clip, and its id."""
        return self._written(NO_SOUND + str(fault).encode()[:_LONGEST_NOTE], "no_sound")

    def _named(self, name: str) -> tuple[Path, str]:
        path = Path(name)
        if self.root is None:
            return path, name
        if not path.is_file():
            path = self.root / name
        real = path.resolve()  # `datasets` follows links
        return path, real.relative_to(self.root).as_posix() if real.is_relative_to(self.root) else name

    def _written(self, content: bytes, name: str) -> tuple[Path, str]:
        digest = hashlib.sha256(content).hexdigest()
        suffix = Path(name).suffix.lower()
        path = self.cache / digest[:2] / (digest + (suffix if suffix in MEDIA_SUFFIXES else ""))
        if not path.is_file():
            _write(path, content)
        stem = Path(name).stem
        return path, f"{stem}-{digest[:12]}" if stem else digest[:24]


def default_cache() -> Path:
    """Return `calm_pl` in the user's cache folder (`$XDG_CACHE_HOME`, else `~/.cache`)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "calm_pl"


def _write(path: Path, content: bytes) -> None:
    """Write a file that appears whole, also where other ranks write the same one at the same time."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as part:
            part.write(content)
        os.replace(part.name, path)
    except OSError as error:
        raise DataError(
            f"{path.parent} cannot be written: {error.strerror or error}."
            " Choose another folder with data.cache_dir."
        ) from error


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 80 else f"{text[:60]}..."
