"""A run folder belongs to one job at a time."""

from __future__ import annotations

import errno
import json
import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from calm_pl.errors import RunError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

FILE = ".lock"
_HELD = (errno.EACCES, errno.EAGAIN)


class RunLock:
    """The lock of a run folder, held by one process of a job until `release` or the end of that process.

    It is a POSIX record lock: the kernel takes it back however a process ends, no child inherits it, and
    network file systems pass it on (NFS, Lustre mounted with `flock`). Where a file system has none, the
    file's record of who holds it decides: a process that is gone from this machine holds nothing, one on
    another machine holds it until somebody deletes the file.

    Args:
        folder: must be there.

    Raises:
        RunError: another job has it; says which.
    """

    def __init__(self, folder: Path) -> None:
        self.path = (folder / FILE).resolve()
        self._file: int | None = None
        if self.path in _OURS:
            raise RunError(f"The run folder {str(folder)!r} is in use by another job of this process.")
        while self._file is None:
            self._file = self._try(folder)
        _OURS.add(self.path)
        with suppress(OSError):  # a full disk: the lock holds without its record
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, json.dumps(_self()).encode(), 0)

    def release(self) -> None:
        """Let other jobs have the folder; a second call does nothing."""
        if self._file is None:
            return
        _OURS.discard(self.path)
        with suppress(OSError):
            self.path.unlink()  # while it is locked: whoever opened it meanwhile notices, see `_try`
        os.close(self._file)
        self._file = None

    def _try(self, folder: Path) -> int | None:
        """Open and lock the file; None where it went meanwhile."""
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
        try:
            if not _locked(file):
                raise _refused(folder, _record(file))
            with suppress(FileNotFoundError):
                if os.path.samestat(os.stat(self.path), os.fstat(file)):
                    return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)
        return None


_OURS: set[Path] = set()
"""Locks of this process, which the kernel would give it twice."""


def _locked(file: int) -> bool:
    """Lock an open file, or judge by its record where the file system has no locks."""
    if fcntl is not None:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError as error:
            if error.errno in _HELD:
                return False
    return not _seems_held(_record(file))


def _seems_held(record: dict[str, Any]) -> bool:
    own = _self()
    if not record or record.get("host") != own["host"]:
        return bool(record)
    return record.get("started") is not None and record["started"] == _started(record.get("pid"))


def _record(file: int) -> dict[str, Any]:
    try:
        record = json.loads(os.pread(file, 4096, 0))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _self() -> dict[str, Any]:
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    return {"host": socket.gethostname(), "pid": os.getpid(), "started": _started(os.getpid()), "since": now}


def _started(pid: Any) -> str | None:
    """Return what tells a process from a later one of the same number; None where it is gone."""
    try:
        text = Path(f"/proc/{int(pid)}/stat").read_text()
    except (OSError, ValueError, TypeError):
        return None
    return text.rpartition(")")[2].split()[19]


def _refused(folder: Path, record: dict[str, Any]) -> RunError:
    who = ""
    if record:
        who = f" (process {record.get('pid')} on {record.get('host')}, since {record.get('since')})"
    return RunError(
        f"The run folder {str(folder)!r} is in use by another job{who}. Wait until it has ended, or choose"
        f" another with run.dir=FOLDER. If that process is gone, delete {str(folder / FILE)!r}."
    )
