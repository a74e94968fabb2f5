"""`AnswerStore`: a model's answers, cached beside the head bank so that nothing is sampled twice."""

from __future__ import annotations

import json
import logging
import os
import secrets
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from calm_pl.bank.keys import key_bytes
from calm_pl.bank.writing import told_of_disk
from calm_pl.regular_files import open_regular

_LOG = logging.getLogger("calm_pl.bank")
_SUFFIX = ".jsonl"


class AnswerStore:
    """Lists of texts by key, in line-based files; every process writes a file of its own.

    A line is a CRC-32 and JSON; an incomplete or damaged line counts as absent. Nothing is written before the
    first `append`. An open store holds all of its texts in memory, so each sampling configuration has its own
    folder.

    Args:
        folder: of the files; may not exist yet.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._texts: dict[str, list[str]] = {}
        self._read: dict[str, int] = {}
        self._own = f"{secrets.token_hex(8)}{_SUFFIX}"

    def __contains__(self, key: str) -> bool:
        return key in self._texts

    def __getitem__(self, key: str) -> list[str]:
        return self._texts[key]

    def __len__(self) -> int:
        return len(self._texts)

    def refresh(self) -> None:
        """Read what other processes have appended since the last call."""
        for path in sorted(self.folder.glob(f"*{_SUFFIX}")):
            try:
                with os.fdopen(open_regular(path), "rb") as file:
                    file.seek(self._read.get(path.name, 0))
                    block = file.read()
            except OSError as error:
                _LOG.warning("%s: cannot be read (%s); its answers count as absent.", path, error.strerror)
                continue
            # A line may still be being written: only complete lines count as read.
            whole = block.rfind(b"\n") + 1
            self._read[path.name] = self._read.get(path.name, 0) + whole
            for line in block[:whole].splitlines():
                self._enter(line)

    def append(self, texts: Mapping[str, Sequence[str]]) -> None:
        """Write texts by their keys, 64 hexadecimal digits.

        Raises:
            ValueError: not a valid key.
            RunError: the disk is full or cannot be written.
        """
        lines = [_line(key, list(said)) for key, said in texts.items()]
        block = b"".join(lines)
        with told_of_disk(self.folder, len(lines), len(block)):
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / self._own).open("ab") as file:
                file.write(block)
        for line in lines:
            self._enter(line.rstrip(b"\n"))

    def _enter(self, line: bytes) -> None:
        crc, _, text = line.partition(b" ")
        if crc != _crc(text):
            return
        key, said = json.loads(text)
        self._texts[key] = said


def _line(key: str, said: list[str]) -> bytes:
    key_bytes(key)  # raises ValueError for an invalid key
    text = json.dumps([key, said]).encode()
    return b"%s %s\n" % (_crc(text), text)


def _crc(text: bytes) -> bytes:
    return b"%08x" % zlib.crc32(text)
