"""Hashes of media files, without reading a file twice.

They are kept in append-only files, one per process, rather than in SQLite: its locks, and even more its
write-ahead log, are unreliable on network file systems, and a corrupt database could return the wrong clip.
Here each line has its own checksum, no process writes to another's file, and a lost line costs one more
hashing.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from calm_pl.bank.keys import canonical
from calm_pl.errors import BadClipError

_LOG = logging.getLogger("calm_pl.bank")
_BLOCK = 2**20


class _Stamp(NamedTuple):
    """What changes when a file does; includes `ctime`, since copying tools set `mtime` back."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


class ContentIndex:
    """SHA-256 of media files, remembered by path, size, times and inode.

    Args:
        folder: where hashes are stored; created when needed. If it cannot be written, only speed is lost.
        settle_seconds: the hash of a file that changed less than this before it was read is not stored, since
            the file could change again within one tick of the file system's clock.
    """

    def __init__(self, folder: str | Path, settle_seconds: float = 2.0) -> None:
        self.folder = Path(folder)
        self.settle_seconds = settle_seconds
        self.num_hashed = 0
        self._known: dict[str, tuple[_Stamp, str]] = {}
        self._process = 0
        self._own = self.folder
        for path in sorted(self.folder.glob("*.jsonl")):
            self._load(path)

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
        name = os.path.abspath(path)
        try:
            stamp = _stamp(os.stat(name))
            known = self._known.get(name)
            if known and known[0] == stamp:
                return known[1]
            digest = hashlib.sha256()
            with open(name, "rb", buffering=0) as file:
                before = _stamp(os.fstat(file.fileno()))
                while block := file.read(_BLOCK):
                    digest.update(block)
                after = _stamp(os.fstat(file.fileno()))
        except FileNotFoundError as error:
            raise BadClipError(f"{path}: no such file.") from error
        except OSError as error:
            raise BadClipError(f"{path}: cannot be read: {error.strerror or error}.") from error
        if before != after:
            raise BadClipError(f"{path}: changed while it was read; wait until it is complete.")
        self.num_hashed += 1
        value = digest.hexdigest()
        newest = max(after.mtime_ns, after.ctime_ns) / 1e9
        if time.time() - newest > self.settle_seconds:
            self._known[name] = (after, value)
            self._remember(name, after, value)
        return value

    def _remember(self, name: str, stamp: _Stamp, value: str) -> None:
        entry = json.dumps([name, *stamp, value])
        line = f"{zlib.crc32(entry.encode()):08x} {entry}\n"
        if self._process != os.getpid():
            self._process = os.getpid()
            self._own = self.folder / f"{secrets.token_hex(6)}.jsonl"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._own.open("ab", buffering=0) as file:
                file.write(line.encode())
        except OSError as error:
            _LOG.info("%s: cannot be written (%s); files will be read again.", self._own, error.strerror)

    def _load(self, path: Path) -> None:
        try:
            lines = path.read_bytes().splitlines()
        except OSError:
            return
        for line in lines:
            check, _, entry = line.partition(b" ")
            if check == f"{zlib.crc32(entry):08x}".encode():
                name, size, mtime_ns, ctime_ns, inode, value = json.loads(entry)
                self._known[name] = (_Stamp(size, mtime_ns, ctime_ns, inode), value)


def _stamp(stat: os.stat_result) -> _Stamp:
    return _Stamp(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
