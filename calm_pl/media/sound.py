"""Decode the audio of a file of any type: mono float32 at the file's own rate. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from calm_pl.errors import BadClipError
from calm_pl.media.containers import decoded, opened, single_threaded
from calm_pl.media.signatures import Kind, identify
from calm_pl.media.truncation import refuse_truncated

_MOST_FRAMES = 2**31  # three hours at 192 kHz


class Sound(NamedTuple):
    """The audio of a whole file.

    Attributes:
        samples_T: mono float32 (T,), the mean of the channels.
        rate: samples a second.
    """

    samples_T: np.ndarray
    rate: int


def read_sound(path: str | Path) -> Sound:
    """Decode an audio file (wav, flac, ogg, mp3, aiff ...) or the first audio track of a container.

    Sound files go to soundfile, containers (mp4, m4a, webm, mkv, mov, avi, aac ...) to PyAV. decord is not
    asked for sound: it leaves Opus' priming samples in, so that a clip would depend on which is installed.

    Raises:
        BadClipError: missing, unreadable, truncated, empty, without a sound track, or with NaN.
    """
    path = Path(path)
    kind = identify(path)
    refuse_truncated(path, kind.container)
    if kind.container:
        samples_T, rate = _container_sound(path, kind.container)
    else:
        samples_T, rate = _file_sound(path, kind)
    if len(samples_T) == 0:
        raise BadClipError(f"{path}: contains no samples.")
    if not np.isfinite(samples_T).all():
        raise BadClipError(f"{path}: holds samples that are NaN or infinite.")
    return Sound(samples_T, rate)


def _file_sound(path: Path, kind: Kind) -> tuple[np.ndarray, int]:
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            expected, rate = file.frames, file.samplerate
            if expected > _MOST_FRAMES:
                raise BadClipError(f"{path}: states no believable length (written to a pipe, or damaged).")
            frames_TC = file.read(dtype="float32", always_2d=True)
    except OSError as error:
        raise BadClipError(f"{path}: cannot be read: {error.strerror or error}.") from error
    except (soundfile.SoundFileRuntimeError, TypeError) as error:  # TypeError: a headerless format, by suffix
        told = str(getattr(error, "error_string", error)).rstrip(".")
        reason = f"it is {kind.looks_like}" if kind.looks_like else told
        raise BadClipError(f"{path}: is not a sound file that can be decoded ({reason}).") from error
    if 0 < len(frames_TC) < expected:
        raise BadClipError(f"{path}: is truncated: {len(frames_TC)} of {expected} frames could be read.")
    return _mono(frames_TC, axis=1), int(rate)


def _container_sound(path: Path, format: str) -> tuple[np.ndarray, int]:
    blocks: list[np.ndarray] = []
    count = 0
    with opened(path, format) as container:
        if not container.streams.audio:
            raise BadClipError(f"{path}: has no sound track.")
        stream = single_threaded(container.streams.audio[0], path)
        rate = 0
        for frame in decoded(container, stream, path):
            if rate not in (0, frame.sample_rate):
                raise BadClipError(f"{path}: changes its rate from {rate} to {frame.sample_rate} Hz midway.")
            rate = frame.sample_rate
            blocks.append(_mono(_floats_CT(frame), axis=0))
            count += len(blocks[-1])
            if count > _MOST_FRAMES:
                raise BadClipError(f"{path}: states no believable length (damaged).")
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32), rate


def _mono(block: np.ndarray, axis: int) -> np.ndarray:
    return block.mean(axis=axis, dtype=np.float64).astype(np.float32)


def _floats_CT(frame: Any) -> np.ndarray:
    """Return the samples of a PyAV frame as (channels, T), full scale 1."""
    block = frame.to_ndarray()
    if frame.format.is_packed:
        block = block.reshape(-1, len(frame.layout.channels)).T
    if block.dtype.kind == "f":
        return block
    bits = 8 * block.dtype.itemsize
    return (block.astype(np.float64) - (2 ** (bits - 1) if block.dtype.kind == "u" else 0)) / 2 ** (bits - 1)
