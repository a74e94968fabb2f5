"""A model's `Preparer` from memory: a run whose clips are all in the bank needs no processor."""

from __future__ import annotations

import json
import os
import threading
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from calm_pl.models.preparer import Preparer, Video, Waveform
from calm_pl.regular_files import read_regular

_APPENDING = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NONBLOCK", 0)  # a pipe must not wait
_LOCK = threading.Lock()  # keys are made by several threads; not on the objects, which go to other processes


class SoundFormat(NamedTuple):
    """What a model takes; see `Preparer`."""

    sample_rate: int
    max_seconds: float
    modalities: tuple[str, ...]

    @classmethod
    def of(cls, preparer: Preparer) -> SoundFormat:
        """Return what a preparer's model takes."""
        return cls(preparer.sample_rate, preparer.max_seconds, preparer.modalities)


class PromptMemory:
    """Prompts by question, in a file that several processes may add to at once.

    Args:
        path: the file; a line is a checksum and, as JSON, a question with its prompt. Lines that were cut or
            mixed up fail their checksum and are passed over: their prompts are made anew.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._prompts: dict[str, str] = {}
        try:
            lines = read_regular(path).splitlines()
        except OSError:  # nothing is remembered yet
            lines = []
        for line in lines:
            checksum, _, entry = line.partition(b" ")
            if checksum == _checksum(entry):
                question, prompt = json.loads(entry)
                self._prompts[question] = prompt

    def get(self, question: str) -> str | None:
        """Return the prompt of a question; None where it is not remembered."""
        return self._prompts.get(question)

    def add(self, question: str, prompt: str) -> None:
        """Store a prompt, also for later processes if the file can be written."""
        entry = json.dumps([question, prompt]).encode()
        # A read-only or full disk costs a later run some seconds, and no job ends for it.
        with _LOCK, suppress(OSError):
            self._prompts[question] = prompt
            file = os.open(self._path, _APPENDING, 0o666)
            try:
                os.write(file, b"%s %s\n" % (_checksum(entry), entry))  # one write, so that lines stay whole
            finally:
                os.close(file)


class RememberedPreparer:
    """A `Preparer` that loads the model's own only for what is not remembered.

    Args:
        sound: what it takes.
        described: what its `describe` says.
        prompts: its prompts so far.
        load: loads the model's own.
        own: the model's own, where it is loaded already.
    """

    def __init__(
        self,
        sound: SoundFormat,
        described: dict[str, Any],
        prompts: PromptMemory,
        load: Callable[[], Preparer],
        own: Preparer | None = None,
    ) -> None:
        self.sample_rate, self.max_seconds, self.modalities = sound
        self._load = load
        self._described = described
        self._prompts = prompts
        self._own = own

    @property
    def own(self) -> Preparer:
        """The model's own preparer, loaded on first use."""
        with _LOCK:
            self._own = self._own or self._load()
        return self._own

    @property
    def tokenizer(self) -> Any:
        """See `Preparer`."""
        return self.own.tokenizer

    @property
    def audio_token_id(self) -> int:
        """See `Preparer`."""
        return self.own.audio_token_id

    def __call__(
        self,
        waveforms: Sequence[Waveform],
        questions: Sequence[str],
        videos: Sequence[Video] | None = None,
        any_level: bool = False,
    ) -> dict[str, Tensor]:
        """See `Preparer.__call__`."""
        return self.own(waveforms, questions, videos, any_level)

    def prompt(self, question: str) -> str:
        """See `Preparer.prompt`."""
        prompt = self._prompts.get(question)
        if prompt is None:
            prompt = self.own.prompt(question)
            self._prompts.add(question, prompt)
        return prompt

    def option_tokens(self, letter: str) -> list[int]:
        """See `Preparer.option_tokens`."""
        return self.own.option_tokens(letter)

    def answer_end(self) -> int:
        """See `Preparer.answer_end`."""
        return self.own.answer_end()

    def audio_tokens(self, num_samples: int) -> int | None:
        """See `Preparer.audio_tokens`."""
        return self.own.audio_tokens(num_samples)

    def describe(self) -> dict[str, Any]:
        """See `Preparer.describe`."""
        return self._described


def _checksum(entry: bytes) -> bytes:
    return b"%08x" % zlib.crc32(entry)
