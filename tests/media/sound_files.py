"""Sound files made on the spot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

Writer = Callable[..., Path]


def sine(rate: int, seconds: float = 0.5, hertz: float = 440.0, amplitude: float = 0.25) -> np.ndarray:
    """Mono samples (N,) of a sine."""
    return amplitude * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)


@pytest.fixture(name="sine")
def _sine() -> Callable[..., np.ndarray]:
    return sine


@pytest.fixture
def write(tmp_path: Path) -> Writer:
    """Write samples (N,) or (N, channels); the suffix gives the format unless `format` does."""

    def write(name: str, samples: np.ndarray, rate: int = 16_000, **how: str) -> Path:
        path = tmp_path / name
        soundfile.write(path, samples, rate, **how)
        return path

    return write
