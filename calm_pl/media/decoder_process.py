"""The other process of a `Decoder`, as seen from its owner."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import weakref
from typing import Any, BinaryIO, cast

from calm_pl.errors import RunError
from calm_pl.media import wire

_START_SECONDS = 300.0  # Python and numpy from a busy network disk; no clip's fault
_END_SECONDS = 5.0  # a process that waits for a dead disk ends when the disk answers
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
# The path goes along, so that the process finds what this one finds.
_START = "import importlib, json, sys; sys.path[:] = json.loads(sys.argv[1]); "
_START += "importlib.import_module(sys.argv[2]).main()"


class LateError(Exception):
    """No answer within the time limit."""


class DiedError(Exception):
    """The process ended instead of answering; the message says how."""


class DecoderProcess:
    """A decoding process. Started by `subprocess`, since DataLoader workers may not use multiprocessing.

    Args:
        module: its `main` serves the requests.
        seconds: time limit for one of them.

    Raises:
        RunError: it does not start.
    """

    def __init__(self, module: str, seconds: float) -> None:
        command = [sys.executable, "-c", _START, json.dumps(sys.path), module, str(seconds)]
        self._seconds = seconds
        self._popen = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env={**os.environ, **_ONE_THREAD},
        )
        self._answers: queue.SimpleQueue[wire.Message | None] = queue.SimpleQueue()
        reader = threading.Thread(target=_receive, args=(self._popen.stdout, self._answers), daemon=True)
        reader.start()
        self._finalizer = weakref.finalize(self, _end, self._popen, reader, os.getpid())
        try:
            self._next_answer(_START_SECONDS)
        except (LateError, DiedError) as error:
            self.end()
            raise RunError(
                f"The process that decodes media files did not start: it {error}. Is there memory left?"
                " Encoded clips are in the bank; run the same command again to resume."
            ) from error

    def ask(self, request: dict[str, Any]) -> wire.Message:
        """Send a request and wait for its answer. After an error the process is no longer usable.

        Raises:
            LateError: none came in time.
            DiedError: none will come.
        """
        # Where the pipe is broken, waiting for the answer says why.
        with contextlib.suppress(BrokenPipeError):
            wire.write(cast(BinaryIO, self._popen.stdin), request)
        return self._next_answer(self._seconds)

    def end(self) -> None:
        """Kill the process; a second call does nothing."""
        self._finalizer()

    def forget(self) -> None:
        """Let go of a process that belongs to the process from which this one was forked."""
        self._finalizer.detach()
        for stream in (self._popen.stdin, self._popen.stdout):
            if stream is not None:
                stream.close()
        self._popen.returncode = 0  # it is not ours to wait for

    def _next_answer(self, seconds: float) -> wire.Message:
        try:
            answer = self._answers.get(timeout=seconds)
        except queue.Empty:
            raise LateError(f"did not finish within {seconds:g} s") from None
        if answer is None:
            raise DiedError(f"died with {self._last_words()}")
        return answer

    def _last_words(self) -> str:
        code = self._popen.wait(_END_SECONDS)
        if code >= 0:
            return f"exit status {code}"
        names = {number.value: number.name for number in signal.Signals}
        return f"signal {-code} ({names.get(-code, 'unknown')})"


def _receive(stream: BinaryIO, answers: queue.SimpleQueue[wire.Message | None]) -> None:
    """Pass on answers until there are no more, then None. Runs in a thread: pipes have no time limit."""
    with stream, contextlib.suppress(EOFError, OSError):
        while True:
            answers.put(wire.read(stream))
    answers.put(None)


def _end(popen: subprocess.Popen[bytes], reader: threading.Thread, owner: int) -> None:
    if os.getpid() != owner:
        return
    popen.kill()
    assert popen.stdin is not None
    popen.stdin.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        popen.wait(_END_SECONDS)
        reader.join(_END_SECONDS)
