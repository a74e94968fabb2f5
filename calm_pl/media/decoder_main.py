"""The process in which a `Decoder` decodes: requests arrive on stdin, answers are written to stdout.

It imports numpy and what a file needs, never torch, so that it starts quickly. It ends when its stdin does; a
decoder that never returns is ended by an alarm soon after the time limit, should nobody be left to do it.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import numpy as np

from calm_pl.errors import BadClipError
from calm_pl.media import wire
from calm_pl.media.frame_rule import FrameRule
from calm_pl.media.sound import read_sound, sound_blocks
from calm_pl.media.sound_readers import Block
from calm_pl.media.video import read_frames

_GRACE_SECONDS = 2.0  # the parent ends a decoder that is late; the alarm is for one that has no parent
_MANY_SAMPLES = (
    1 << 18
)  # to an answer: PyAV's blocks are short, and each answer costs a tenth of a millisecond

Answer = wire.Message
Reader = Callable[..., Answer]


def _audio(path: str) -> Answer:
    samples_T, rate, cancels = read_sound(path)
    return Answer({"rate": rate, "cancels": cancels}, samples_T)


def _frames(path: str, rule: dict[str, Any], seconds: float | None, use_decord: bool) -> Answer:
    pixels_THWC, fps = read_frames(path, FrameRule(**rule), seconds, use_decord)
    return Answer({"fps": fps}, pixels_THWC)


class _Recording:
    """The recording that is being read block by block; one at a time."""

    def __init__(self) -> None:
        self._blocks: Iterator[Block] | None = None

    def __call__(self, path: str, is_first: bool) -> Answer:
        """Return the next samples; without an array at the recording's end."""
        if is_first:
            self._blocks = sound_blocks(path)
        if self._blocks is None:
            raise BadClipError(f"{path}: its decoder was replaced midway.")
        parts: list[np.ndarray] = []
        length = rate = 0
        for block in self._blocks:
            rate = block.rate
            parts.append(block.samples_T)
            length += len(block.samples_T)
            if length >= _MANY_SAMPLES:
                break
        return Answer({"rate": rate}, np.concatenate(parts) if parts else None)


def main() -> None:
    """Serve the readers of this package."""
    serve({"audio": _audio, "frames": _frames, "recording": _Recording()})


def serve(readers: dict[str, Reader]) -> None:
    """Answer requests until stdin ends.

    Args:
        readers: by the request's `what`; called with its other values. A `BadClipError` is an answer, and so
            is the traceback of a fault of the program.
    """
    seconds = float(sys.argv[-1])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's affair
    requests, answers = _take_stdin(), _take_stdout()
    wire.write(answers, {"ready": True})
    while True:
        request = requests.get()
        what, folder = request.pop("what"), request.pop("folder")
        _alarm(seconds + _GRACE_SECONDS)
        try:
            if folder is not None:
                os.chdir(folder)
            header, array = readers[what](**request)
        except BadClipError as error:
            header, array = {"bad_clip": str(error)}, None
        except MemoryError:
            header, array = {"bad_clip": f"{request['path']}: does not fit into memory."}, None
        except Exception:
            header, array = {"fault": traceback.format_exc()}, None
        _alarm(0)
        wire.write(answers, header, array)


def _take_stdin() -> queue.SimpleQueue[dict[str, Any]]:
    """Yield requests, read in a thread that ends the process when no more can arrive."""
    stream = os.fdopen(os.dup(0), "rb", buffering=0)
    _point_at_nothing(0)
    requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def read() -> None:
        try:
            while True:
                requests.put(wire.read(stream).header)
        finally:
            os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    return requests


def _take_stdout() -> BinaryIO:
    """Return the stream for answers; what libraries print on stdout or stderr from now on is discarded."""
    stream = os.fdopen(os.dup(1), "wb", buffering=0)
    _point_at_nothing(1)
    _point_at_nothing(2)
    return stream


def _point_at_nothing(descriptor: int) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, descriptor)
    os.close(nothing)


def _alarm(seconds: float) -> None:
    """End the process after so many seconds, whatever it does then; 0 calls that off."""
    if hasattr(signal, "setitimer"):  # not on Windows
        signal.setitimer(signal.ITIMER_REAL, seconds)
