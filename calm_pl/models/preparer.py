"""From waveforms and questions to a model's input tensors; runs in DataLoader workers, holds no weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from torch import Tensor


class Preparer(Protocol):
    """What a data module needs of a model: its sound format and how to make its inputs."""

    sample_rate: int
    """Hz that waveforms must have."""
    max_seconds: float
    """Longest clip the model hears."""
    modalities: tuple[str, ...]
    """`audio`, and `video` where the model sees too."""

    def __call__(
        self,
        waveforms: Sequence[np.ndarray],
        questions: Sequence[str],
        videos: Sequence[tuple[np.ndarray, float]] | None = None,
    ) -> dict[str, Tensor]:
        """Input tensors of N clips, padded to one length.

        Args:
            waveforms: N mono float32 arrays (samples,) at `sample_rate`, at most `max_seconds` long.
            questions: N questions, one a clip.
            videos: N pairs of pixels (T, H, W, 3) uint8 and frames a second, for models that see.
        """
        ...

    def prompt(self, question: str) -> str:
        """The text the model gets, audio placeholder and generation prompt included."""
        ...

    def option_tokens(self, letter: str) -> list[int]:
        """Ids of every single token that spells an option letter."""
        ...

    def describe(self) -> dict[str, Any]:
        """Settings that shape the inputs, for the classifier's identity."""
        ...
