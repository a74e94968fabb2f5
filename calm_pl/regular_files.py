"""Reading of regular files only: opening a named pipe in one's place would wait for ever. Floor 0."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def open_regular(path: str | Path) -> int:
    """Open a file for reading; returns its descriptor.

    Raises:
        OSError: it cannot be opened, or is a folder, pipe, socket or device.
    """
    # A pipe that nobody writes to opens at once only so; for regular files it changes nothing.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return descriptor


def read_regular(path: str | Path) -> bytes:
    """Return the content of a file.

    Raises:
        OSError: as `open_regular`.
    """
    with os.fdopen(open_regular(path), "rb") as file:
        return file.read()
