"""SHA-256 of files, without reading a file twice. Floor 0.

They are kept in append-only files, one per process, rather than in SQLite: its locks, and even more its
write-ahead log, are unreliable on network file systems, and a corrupt database could return the wrong hash.
Here each line has its own checksum, no process writes to another's file, and a lost line costs one more
hashing.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import secrets
import threading
import time
import zlib
from pathlib import Path
from typing import NamedTuple

from calm_pl.regular_files import open_regular, read_regular

_LOG = logging.getLogger("calm_pl.bank")
_BLOCK = 2**20


class _Stamp(NamedTuple):
    """What changes when a file does; includes `ctime`, since copying tools set `mtime` back."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    device: int


class FileHashes:
    """SHA-256 of files, remembered by path, size, times, inode and device.

    Where one of these differs, the file is read again. Several threads may ask at once.

    Args:
        folder: where hashes are stored; created when needed. If it cannot be written, only speed is lost.
        settle_seconds: the hash of a file that changed less than this before it was read is not stored, since
            the file could change again within one tick of the file system's clock.
    """

    def __init__(self, folder: str | Path, settle_seconds: float = 2.0) -> None:
        self.folder = Path(folder)
        self.settle_seconds = settle_seconds
        self.num_hashed = 0
        self._known: dict[tuple[str, _Stamp], str] = {}
        self._process = 0
        self._own = self.folder
        self._lock = threading.Lock()
        for path in sorted(self.folder.glob("*.jsonl")):
            self._load(path)

    def sha256(self, path: str | Path) -> str:
        """Return the SHA-256 of a file's bytes, 64 hexadecimal digits.

        Raises:
            OSError: it cannot be read, or changes while it is read.
        """
        name = os.path.abspath(path)
        known = self._known.get((name, _stamp(os.stat(name))))
        if known is not None:
            return known
        digest = hashlib.sha256()
        with os.fdopen(open_regular(name), "rb", buffering=0) as file:
            before = _stamp(os.fstat(file.fileno()))
            while block := file.read(_BLOCK):
                digest.update(block)
            after = _stamp(os.fstat(file.fileno()))
        if before != after:
            raise OSError(errno.EAGAIN, "it changed while it was read; wait until it is complete")
        value = digest.hexdigest()
        newest = max(after.mtime_ns, after.ctime_ns) / 1e9
        with self._lock:
            self.num_hashed += 1
            if time.time() - newest > self.settle_seconds:
                self._known[name, after] = value
                self._remember(name, after, value)
        return value

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict[str, object]) -> None:
        vars(self).update(state)
        self._lock = threading.Lock()

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
            lines = read_regular(path).splitlines()
        except OSError:
            return
        for line in lines:
            check, _, entry = line.partition(b" ")
            if check == f"{zlib.crc32(entry):08x}".encode():
                name, *stamp, value = json.loads(entry)
                if len(stamp) == len(_Stamp._fields):  # lines of earlier versions say less
                    self._known[name, _Stamp(*stamp)] = value


def _stamp(stat: os.stat_result) -> _Stamp:
    return _Stamp(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev)
