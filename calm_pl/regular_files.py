"""Read regular files only: opening a named pipe instead would wait forever. Floor 0."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def open_regular(path: str | Path) -> int:
    """Open a file for reading and return its descriptor.

    Raises:
        OSError: it cannot be opened, or is a folder, pipe, socket or device.
    """
    # Without this flag, opening a pipe without a writer blocks; for regular files it has no effect.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return descriptor


def read_regular(path: str | Path) -> bytes:
    """Return the content of a file.

    Raises:
        OSError: as `open_regular`.
    """
    with os.fdopen(open_regular(path), "rb") as file:
        return file.read()
