"""Decode in a separate process: a file that hangs or crashes a decoder costs that clip, not the run."""

from __future__ import annotations

import dataclasses
import functools
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar

from calm_pl.errors import BadClipError, RunError
from calm_pl.media.audio import Waveform, waveform
from calm_pl.media.decoder_process import DecoderProcess, DiedError, LateError
from calm_pl.media.frame_rule import FrameRule
from calm_pl.media.sound import Sound
from calm_pl.media.sound_readers import Block
from calm_pl.media.video import Frames
from calm_pl.media.wire import Message

_LOG = logging.getLogger("calm_pl")


class Decoder:
    """Reader of media files in a process that is reused for many files, and replaced when it fails.

    Works in the main process and in DataLoader workers, and can be pickled: a copy, or this object in a
    forked process, starts a process of its own with its first file. That process ends with `close`, with this
    object, and with the process that holds it. Threads take turns.

    A decoder that dies is asked once more, in a fresh process and without decord: what earlier files did to
    its memory must not count against this one. A decoder that is late is not asked again.

    Args:
        seconds: time limit for one file.
    """

    module: ClassVar[str] = "calm_pl.media.decoder_main"
    """Module whose `main` serves the requests. The seam for tests of decoders that hang or die: nothing but a
    subclass or a patch reaches it."""

    def __init__(self, seconds: float = 60.0) -> None:
        if not 0 < seconds < float("inf"):
            raise ValueError(f"Expected `seconds` to be finite and above 0, but got {seconds!r}.")
        self.seconds = seconds
        self._process: DecoderProcess | None = None
        self._owner = os.getpid()
        self._turn = threading.Lock()

    def audio(
        self, path: str | Path, sample_rate: int, max_seconds: float, long_clips: str = "start"
    ) -> Waveform:
        """Load audio as `load_audio` does; decoded in the other process, resampled and truncated in this one.

        Raises:
            BadClipError: as `load_audio`; also where the decoder did not finish in time, or died.
            RunError: the other process cannot be started.
        """
        answer = self._ask(path, {"what": "audio", **_place(path)})
        assert answer.array is not None
        sound = Sound(answer.array, answer.header["rate"], answer.header["cancels"])
        return waveform(sound, path, sample_rate, max_seconds, long_clips)

    def frames(self, path: str | Path, rule: FrameRule, seconds: float | None = None) -> Frames:
        """Load frames as `load_frames` does.

        Raises:
            BadClipError: as `load_frames`; also where the decoder did not finish in time, or died.
            RunError: the other process cannot be started.
        """
        request = {"what": "frames", **_place(path), "rule": dataclasses.asdict(rule)}
        answer = self._ask(path, {**request, "seconds": seconds, "use_decord": True})
        assert answer.array is not None
        return Frames(answer.array, answer.header["fps"])

    def blocks(self, path: str | Path) -> Iterator[Block]:
        """Decode a recording of any length as `sound_blocks` does, but for the blocks' lengths and energy.

        The time limit is for one block. Between blocks whole files may be asked for, but no other recording.

        Raises:
            BadClipError: as `sound_blocks`; also where the decoder did not finish a block in time, or died.
            RunError: the other process cannot be started.
        """
        request = {"what": "recording", **_place(path)}
        answer = self._ask(path, {**request, "is_first": True})
        while answer.array is not None:
            yield Block(answer.array, answer.header["rate"])
            answer = self._ask(path, {**request, "is_first": False}, again=False)

    def close(self) -> None:
        """End the process; the next file starts another."""
        with self._turn_here():
            self._drop()

    def __enter__(self) -> Decoder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[type[Decoder], tuple[float]]:
        return type(self), (self.seconds,)

    def _ask(self, path: str | Path, request: dict[str, Any], again: bool = True) -> Message:
        """Return the answer to a request; one that a new process could not answer is not asked again."""
        with self._turn_here():
            answer = self._try_twice(path, request, again)
        if "bad_clip" in answer.header:
            raise BadClipError(answer.header["bad_clip"])
        if "fault" in answer.header:
            _LOG.debug("%s: the decoder failed:\n%s", path, answer.header["fault"])
            last = answer.header["fault"].strip().splitlines()[-1]
            raise BadClipError(f"{path}: the decoder failed ({last}).")
        return answer

    def _try_twice(self, path: str | Path, request: dict[str, Any], again: bool) -> Message:
        try:
            try:
                return self._try(request)
            except DiedError:
                if not again:
                    raise
                return self._try({**request, "use_decord": False} if "use_decord" in request else request)
        except (DiedError, LateError) as error:
            raise BadClipError(f"{path}: the decoder {error}.") from None

    def _try(self, request: dict[str, Any]) -> Message:
        if self._process is None:
            self._process = self._start()
        try:
            return self._process.ask(request)
        except BaseException:  # an interrupt too: its answer would be taken for the next file's
            self._drop()
            raise

    def _start(self) -> DecoderProcess:
        """Start the process; once more where something ended it meanwhile."""
        try:
            return DecoderProcess(self.module, self.seconds)
        except RunError:
            return DecoderProcess(self.module, self.seconds)

    def _drop(self) -> None:
        if self._process is not None:
            self._process.end()
            self._process = None

    def _turn_here(self) -> threading.Lock:
        """Return the lock of this process; the first call after a fork replaces the parent's."""
        if self._owner != os.getpid():
            if self._process is not None:
                self._process.forget()
            self._process, self._owner, self._turn = None, os.getpid(), threading.Lock()
        return self._turn


def shared_decoder(seconds: float) -> Decoder:
    """Return the decoder that all of this process share for a time limit: a start takes a fifth of a second.

    It ends with this process. A forked process has one of its own.
    """
    return _shared(Decoder.module, seconds)


@functools.cache
def _shared(module: str, seconds: float) -> Decoder:
    """Return one decoder for each module that serves it."""
    return Decoder(seconds)


def _place(path: str | Path) -> dict[str, str | None]:
    """Return a path and what it is relative to: the current folder may have changed since the start."""
    return {"path": os.fspath(path), "folder": None if os.path.isabs(path) else os.getcwd()}
