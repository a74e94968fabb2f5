"""Standard output and error that cannot end a job: closed, full, or in a narrow encoding."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast


class LenientStream:
    """Stream that writes what it can, and remembers why it could not write the rest.

    A pipe closed by its reader, as in `... | head`, is still an error.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.fault: OSError | None = None
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write, unless writing has failed before."""
        try:
            self._stream.write(text)
        except BrokenPipeError:
            raise
        except OSError as error:
            self._give_up(error)
        return len(text)

    def flush(self) -> None:
        """Flush, unless writing has failed before."""
        try:
            self._stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """Discard buffered and further output."""
        self.fault = self.fault or error
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)


@contextmanager
def lenient_streams() -> Iterator[LenientStream]:
    """Make `sys.stdout` and `sys.stderr` lenient; return the former."""
    _keep_low_descriptors()
    before = sys.stdout, sys.stderr
    with open(os.devnull, "w") as nowhere:
        out, err = (LenientStream(nowhere if stream is None else stream) for stream in before)
        sys.stdout, sys.stderr = cast(TextIO, out), cast(TextIO, err)
        try:
            yield out
            out.flush()
        finally:
            sys.stdout, sys.stderr = before


def _keep_low_descriptors() -> None:
    """Open standard streams that are closed, else the next file opened would take their number."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
