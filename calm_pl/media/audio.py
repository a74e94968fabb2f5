"""The single way from a file to a waveform: decode, average channels to mono, resample, truncate."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from calm_pl.errors import BadClipError
from calm_pl.media.odd_sound import odd_kinds, padded
from calm_pl.media.sound import Sound, read_sound

LONG_CLIPS = ("start", "center", "windows", "stop")
_LARGEST_FILTER = 2**24


class Waveform(NamedTuple):
    """A decoded clip.

    Attributes:
        windows: mono float32 arrays (samples,) at the asked rate, none longer than the model's window; one,
            or with `windows` as many as cover the clip.
        was_cut: whether something of the clip is in no window.
        seconds: length of the whole clip.
        odd: the kinds of `ODD_SOUND` that it is of; usually none.
    """

    windows: tuple[np.ndarray, ...]
    was_cut: bool
    seconds: float
    odd: tuple[str, ...] = ()


def load_audio(path: str | Path, sample_rate: int, max_seconds: float, long_clips: str = "start") -> Waveform:
    """Read the sound of a sound file or of a container's default sound track, in this process.

    A clip shorter than 0.1 s is padded with silence; this and other oddness is told in `Waveform.odd`.

    Args:
        path: the file: wav, flac, ogg, mp3, aiff ...; mp4, m4a, webm, mkv, mov, avi, aac ...
        sample_rate: Hz of the result; other rates are resampled.
        max_seconds: the longest window; longer clips are treated as `long_clips` says.
        long_clips: `start` keeps the beginning, `center` the middle, `windows` the whole clip as the fewest
            equally spaced windows that cover it (the first at the start, the last at the end), `stop` raises.

    Raises:
        BadClipError: missing, unreadable, truncated, without sound, empty, with NaN, or too long with `stop`.
    """
    return waveform(read_sound(path), path, sample_rate, max_seconds, long_clips)


def waveform(
    sound: Sound, path: str | Path, sample_rate: int, max_seconds: float, long_clips: str
) -> Waveform:
    """Resample and truncate a decoded sound; the second half of `load_audio`."""
    if long_clips not in LONG_CLIPS:
        raise ValueError(
            f"Expected `long_clips` to be one of {', '.join(LONG_CLIPS)}, but got {long_clips!r}."
        )
    samples, rate, cancelling = sound
    whole_seconds = len(samples) / rate
    if rate != sample_rate:
        try:
            samples = _resample(samples, rate, sample_rate)
        except Exception as error:  # a library's, about a rate by which the file is damaged or odd
            raise BadClipError(
                f"{path}: cannot be resampled from {rate} to {sample_rate} Hz"
                f" ({type(error).__name__}: {error})."
            ) from error
    heard = padded(samples, sample_rate)
    short, samples = len(heard) > len(samples), heard
    longest = int(max_seconds * sample_rate)
    if len(samples) <= longest:
        return Waveform((samples,), False, whole_seconds, odd_kinds((samples,), cancelling, short))
    if long_clips == "stop":
        raise BadClipError(
            f"{path}: lasts {_digits(len(samples) / sample_rate)} s, over the model's window of"
            f" {_digits(max_seconds)} s"
            " (data.long_clips is 'stop'; 'start' or 'center' cut it, 'windows' takes all of it)."
        )
    starts = window_starts(len(samples), longest, long_clips)
    windows = tuple(samples[first : first + longest].copy() for first in starts)  # lets go of the whole clip
    return Waveform(windows, long_clips != "windows", whole_seconds, odd_kinds(windows, cancelling, short))


def window_starts(length: int, longest: int, long_clips: str) -> list[int]:
    """Return the start samples of the windows of `longest` samples in a longer clip of `length` samples."""
    spare = length - longest
    if long_clips == "windows":
        last = -(-length // longest) - 1
        return [k * spare // last for k in range(last + 1)]
    return [spare // 2 if long_clips == "center" else 0]


def _digits(seconds: float) -> str:
    """Format a duration so that one sample more than another shows."""
    return f"{seconds:.5f}".rstrip("0").rstrip(".")


def _resample(mono: np.ndarray, rate: int, sample_rate: int) -> np.ndarray:
    import torch
    from torchaudio.functional import resample

    common = math.gcd(rate, sample_rate)
    if rate // common * (sample_rate // common) <= _LARGEST_FILTER:
        return resample(torch.from_numpy(mono), rate, sample_rate).numpy()
    # torchaudio tabulates its filter: for rates without a common factor that takes gigabytes.
    import soxr

    return soxr.resample(mono, rate, sample_rate)
