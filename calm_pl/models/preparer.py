"""From waveforms and questions to a model's input tensors; runs in DataLoader workers, holds no weights."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any, Protocol

import numpy as np
from torch import Tensor

Video = tuple[np.ndarray, float]
"""Frames (T, height, width, 3) uint8 at equal distances, and how many of them there are a second."""

Waveform = np.ndarray | Tensor | str | PathLike[str]
"""Mono samples (samples,) or (1, samples) between -1 and 1, or a file that has them."""


class Preparer(Protocol):
    """What a data module needs of a model: its sound format and how to make its inputs."""

    sample_rate: int
    """Hz that waveforms must have."""
    max_seconds: float
    """Longest clip the model hears."""
    modalities: tuple[str, ...]
    """What a clip may bring: ("audio",) or ("audio", "video")."""

    @property
    def tokenizer(self) -> Any:
        """The model's own."""
        ...

    @property
    def audio_token_id(self) -> int:
        """Id of the placeholder that sound is put in place of."""
        ...

    def __call__(
        self,
        waveforms: Sequence[Waveform],
        questions: Sequence[str],
        videos: Sequence[Video] | None = None,
        any_level: bool = False,
    ) -> dict[str, Tensor]:
        """Return input tensors of N clips, padded to one length.

        Args:
            waveforms: N mono arrays or tensors of floating-point numbers at `sample_rate`, at most
                `max_seconds` long; or paths of files, which are read and resampled.
            questions: N questions, one a clip.
            videos: N videos whose sound the waveforms are; None without pictures.
            any_level: take arrays far above full scale too; for clips of files, of which it is counted.

        Raises:
            ModelError: waveforms, questions or videos that cannot be, named by their position; or the
                processor did not make of the clips what the model must hear or see.
            BadClipError: a file that cannot be read.
        """
        ...

    def prompt(self, question: str) -> str:
        """Return the text the model gets, including audio placeholder and generation prompt."""
        ...

    def option_tokens(self, letter: str) -> list[int]:
        """Return the ids of every single token that spells an option letter."""
        ...

    def answer_end(self) -> int:
        """Return the id of the token that ends an answer."""
        ...

    def audio_tokens(self, num_samples: int) -> int | None:
        """Return the placeholders that a prompt needs for a clip of this length; None if no rule is known."""
        ...

    def describe(self) -> dict[str, Any]:
        """Return settings that affect the inputs, for the classifier's identity."""
        ...
