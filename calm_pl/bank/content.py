"""What identifies a decoded clip: the hash of its file, and how it is decoded."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calm_pl.bank.keys import canonical
from calm_pl.errors import BadClipError
from calm_pl.file_hashes import FileHashes


class ContentIndex:
    """Keys of decoded clips, from the SHA-256 of their files.

    Args:
        folder: where hashes are stored; see `FileHashes`.
        settle_seconds: see there.
    """

    def __init__(self, folder: str | Path, settle_seconds: float = 2.0) -> None:
        self._hashes = FileHashes(folder, settle_seconds)

    @property
    def num_hashed(self) -> int:
        """Files that were read."""
        return self._hashes.num_hashed

    def content(self, path: str | Path, decode: Mapping[str, Any]) -> str:
        """Return a key of a decoded clip: SHA-256, 64 hexadecimal digits.

        Args:
            path: the file.
            decode: everything that affects what the model hears or sees, as JSON values: sample rate, window,
                rule for long clips, rule for frames, version of the decoder.

        Raises:
            BadClipError: it cannot be read, or changes while it is read.
        """
        text = canonical(["content", 1, self.file_hash(path), decode])
        return hashlib.sha256(text.encode()).hexdigest()

    def file_hash(self, path: str | Path) -> str:
        """Return the SHA-256 of a file's bytes.

        Raises:
            BadClipError: see `content`.
        """
        try:
            return self._hashes.sha256(path)
        except FileNotFoundError as error:
            raise BadClipError(f"{path}: no such file.") from error
        except OSError as error:
            raise BadClipError(f"{path}: cannot be read: {error.strerror or error}.") from error
