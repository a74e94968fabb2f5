"""The one way a sound file becomes a waveform: decode, mono by mean, resample, cut at a stated place."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from calm_pl.errors import BadClipError
from calm_pl.media.truncation import truncation_fault

LONG_CLIPS = ("start", "center", "stop")
_MOST_FRAMES = 2**31  # three hours at 192 kHz
_LARGEST_FILTER = 2**24
MIN_SECONDS = 0.1  # shorter clips give a model no audio token


class Waveform(NamedTuple):
    """A decoded clip.

    Attributes:
        samples: mono float32 (samples,) at the asked rate.
        was_cut: whether it was longer than the model's window.
    """

    samples: np.ndarray
    was_cut: bool


def load_audio(path: str | Path, sample_rate: int, max_seconds: float, long_clips: str = "start") -> Waveform:
    """Read a sound file that soundfile decodes (wav, flac, ogg, mp3, aiff ...).

    Args:
        path: the file.
        sample_rate: Hz of the result; other rates are resampled.
        max_seconds: the longest clip; longer ones are cut as `long_clips` says.
        long_clips: `start` keeps the beginning, `center` the middle, `stop` raises.

    Raises:
        BadClipError: missing, unreadable, truncated, empty, too short, with NaN, or too long with `stop`.
    """
    path = Path(path)
    frames_NC, rate = _decode(path)
    if not np.isfinite(frames_NC).all():
        raise BadClipError(f"{path}: holds samples that are NaN or infinite.")
    mono = frames_NC.mean(axis=1, dtype=np.float64).astype(np.float32)
    samples = mono if rate == sample_rate else _resample(mono, rate, sample_rate)
    if len(samples) < MIN_SECONDS * sample_rate:
        seconds = len(samples) / sample_rate
        raise BadClipError(f"{path}: lasts {seconds:.3f} s; a clip must last {MIN_SECONDS} s or more.")
    longest = int(max_seconds * sample_rate)
    if len(samples) <= longest:
        return Waveform(samples, False)
    if long_clips == "stop":
        raise BadClipError(
            f"{path}: lasts {len(samples) / sample_rate:.2f} s, over the model's window of {max_seconds:g} s"
            " (data.long_clips is 'stop'; 'start' or 'center' cut it)."
        )
    first = (len(samples) - longest) // 2 if long_clips == "center" else 0
    return Waveform(samples[first : first + longest], True)


def _decode(path: Path) -> tuple[np.ndarray, int]:
    """All frames of a file, (frames, channels) float32, and its rate in Hz."""
    import soundfile

    try:
        if path.stat().st_size == 0:
            raise BadClipError(f"{path}: is empty (0 bytes).")
        fault = truncation_fault(path)
        if fault:
            raise BadClipError(f"{path}: is truncated: {fault}.")
        with soundfile.SoundFile(path) as file:
            expected, rate = file.frames, file.samplerate
            if expected > _MOST_FRAMES:
                raise BadClipError(f"{path}: states no believable length (written to a pipe, or damaged).")
            frames_NC = file.read(dtype="float32", always_2d=True)
    except FileNotFoundError as error:
        raise BadClipError(f"{path}: no such file.") from error
    except OSError as error:
        raise BadClipError(f"{path}: cannot be read: {error.strerror or error}.") from error
    except (soundfile.SoundFileRuntimeError, TypeError) as error:  # TypeError: a headerless format, by suffix
        raise BadClipError(f"{path}: is no sound file that can be decoded ({_reason(error)}).") from error
    if len(frames_NC) == 0:
        raise BadClipError(f"{path}: holds no samples.")
    if len(frames_NC) < expected:
        raise BadClipError(f"{path}: is truncated: {len(frames_NC)} of {expected} frames could be read.")
    return frames_NC, int(rate)


def _reason(error: Any) -> str:
    return str(getattr(error, "error_string", error)).rstrip(".")


def _resample(mono: np.ndarray, rate: int, sample_rate: int) -> np.ndarray:
    import torch
    from torchaudio.functional import resample

    common = math.gcd(rate, sample_rate)
    if rate // common * (sample_rate // common) <= _LARGEST_FILTER:
        return resample(torch.from_numpy(mono), rate, sample_rate).numpy()
    # torchaudio tabulates its filter: for rates without a common factor that takes gigabytes.
    import soxr

    return soxr.resample(mono, rate, sample_rate)
