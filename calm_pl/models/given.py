"""What a program gives a model: checked, and refused by name and position before it is heard wrongly."""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from calm_pl.errors import ModelError

_LOUDEST = 100.0
"""40 dB over full scale: what is louder was never meant to lie between -1 and 1."""


def texts_given(name: str, texts: Any, number: int) -> list[str]:
    """Return texts that a program gives, one per clip.

    Args:
        name: of the argument.
        texts: what it gave.
        number: of clips.

    Raises:
        ModelError: a single string, something that is no string, or too few or many.
    """
    if isinstance(texts, str):
        raise ModelError(
            f"`{name}` must be a list with one string per clip, but is the string {texts[:60]!r}: write"
            f" [text] * {number}."
        )
    texts = list(texts)
    wrong = next((n for n, text in enumerate(texts) if not isinstance(text, str)), None)
    if wrong is not None:
        raise ModelError(f"`{name}` must be strings, but number {wrong} is {texts[wrong]!r:.60}.")
    if len(texts) != number:
        raise ModelError(f"`{name}` must be one string per clip, {number}, but are {len(texts)}.")
    return texts


def waveforms_given(
    given: Any, sample_rate: int, max_seconds: float, any_level: bool = False
) -> list[np.ndarray]:
    """Return waveforms that a program gives, mono float32 (samples,).

    Args:
        given: N waveforms: arrays, lists or tensors (samples,) or (1, samples) of floating-point numbers, on
            any device; or paths of files, which are read and resampled.
        sample_rate: Hz that the model takes. Of arrays it cannot be seen.
        max_seconds: the longest that it hears.
        any_level: take samples far above full scale too.

    Raises:
        ModelError: names the first that is no mono waveform of finite samples about -1 to 1, or too long.
        BadClipError: a file that cannot be read.
    """
    if isinstance(given, (str, os.PathLike)):
        raise ModelError(f"`waveforms` must be a list, but is the path {os.fspath(given)!r}: write [path].")
    if isinstance(given, (np.ndarray, Tensor)) and given.ndim < 2:
        raise ModelError(
            f"`waveforms` must be a list of waveforms, but is a single one of the shape {tuple(given.shape)}:"
            " write [waveform]."
        )
    return [
        _read(one, sample_rate, max_seconds)
        if isinstance(one, (str, os.PathLike))
        else _checked(f"waveforms[{n}]", one, sample_rate, max_seconds, any_level)
        for n, one in enumerate(given)
    ]


def _read(path: str | os.PathLike[str], sample_rate: int, max_seconds: float) -> np.ndarray:
    # Models know nothing of files: what reads them is found by name, where a caller asks for it.
    load = importlib.import_module("calm_pl.media").load_audio
    samples_T: np.ndarray = load(path, sample_rate, max_seconds, "stop").windows[0]
    return samples_T


def _checked(name: str, one: Any, sample_rate: int, max_seconds: float, any_level: bool) -> np.ndarray:
    samples = np.asarray(one.detach().float().cpu() if _is_narrow(one) else one)
    if samples.ndim == 2 and 1 in samples.shape and samples.shape != (1, 1):
        samples = samples.reshape(-1)
    if samples.ndim != 1:
        raise ModelError(
            f"{name}: must be mono, (samples,), but has the shape {samples.shape}. Average the channels of"
            " stereo sound."
        )
    if samples.dtype.kind != "f":
        raise ModelError(
            f"{name}: must be floating-point numbers from -1 to 1, but is {samples.dtype}. Divide 16-bit"
            " samples by 32768."
        )
    if not samples.size:
        raise ModelError(f"{name}: has no samples.")
    if not np.isfinite(samples).all():
        first = int(np.argmin(np.isfinite(samples)))
        raise ModelError(f"{name}: must be finite, but sample {first} is {samples[first]}.")
    loudest = float(np.abs(samples).max())
    if loudest > _LOUDEST and not any_level:
        raise ModelError(
            f"{name}: must lie between -1 and 1, but reaches {loudest:,.0f}. Divide 16-bit samples by 32768."
        )
    if len(samples) > round(max_seconds * sample_rate):
        raise ModelError(
            f"{name}: lasts {len(samples) / sample_rate:.2f} s at {sample_rate} Hz, over the model's window"
            f" of {max_seconds:g} s. Is that its rate? Cut it, or give a model windows of it."
        )
    return np.ascontiguousarray(samples, dtype=np.float32)


def _is_narrow(one: Any) -> bool:
    """Return whether it is a tensor of floating-point numbers; NumPy knows no bfloat16 and no GPU."""
    return isinstance(one, Tensor) and one.is_floating_point()


def option_lists_given(options: Any, number: int) -> list[list[str]]:
    """Return the lists of options that a program gives, one per clip, all of one length.

    Raises:
        ModelError: strings in their place, or lists of different lengths.
    """
    if isinstance(options, str):
        raise ModelError(f"`options` must be a list of lists, but is the string {options[:60]!r}.")
    lists: Sequence[Any] = list(options)
    if len(lists) == number:
        lists = [texts_given(f"options[{n}]", one, _length(one)) for n, one in enumerate(lists)]
    sizes = [_length(one) for one in lists]
    if len(lists) != number or len(set(sizes)) != 1:
        raise ModelError(
            f"Each of {number} clips needs as many options as the others, but the lists have {sizes}."
        )
    return list(lists)


def _length(texts: Any) -> int:
    return len(texts) if hasattr(texts, "__len__") else 0
