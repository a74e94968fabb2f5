"""The two libraries that decode sound: soundfile for sound files, PyAV for all else. Knows no torch."""

from __future__ import annotations

import functools
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from calm_pl.errors import BadClipError
from calm_pl.media.containers import decoded, opened, single_threaded
from calm_pl.media.odd_sound import energy

_MOST_FRAMES = 2**31  # three hours at 192 kHz
_BLOCK = 2**16
_CHECKED = (
    "flac",
    "tta",
    "wavpack",
)  # codecs that keep checksums, which FFmpeg passes over unless told not to
NO_TOTAL = 2**63 - 1  # libsndfile's word for FLAC from a pipe


class UnreadError(Exception):
    """A reader cannot decode a file; the message says why. Another one may."""


class Block(NamedTuple):
    """Decoded sound.

    Attributes:
        samples_T: mono float32 (T,), the mean of the channels.
        rate: samples a second.
        channels_energy: mean over the channels of their sums of squares; 0 for a single channel, whose mean
            loses nothing.
    """

    samples_T: np.ndarray
    rate: int
    channels_energy: float = 0.0


def by_soundfile(path: Path, source: Path | BinaryIO, exact: bool = True) -> Block:
    """Decode with soundfile.

    Args:
        path: names the file in messages.
        source: the file, or a stretch of it.
        exact: whether the file states its length; if not, what soundfile expects is a guess.

    Raises:
        BadClipError: unreadable, truncated, or of an incredible length.
        UnreadError: soundfile does not know its coding, or cannot tell its length.
    """
    import soundfile

    try:
        with _forward_only()(source) as file:
            expected, rate = file.frames, file.samplerate
            if expected == NO_TOTAL:
                frames_TC = _to_the_end(file)
                expected = len(frames_TC)
            elif expected > _MOST_FRAMES:
                raise BadClipError(f"{path}: states no believable length (damaged).")
            else:
                frames_TC = file.read(expected, dtype="float32", always_2d=True)
            exact = exact and not file.subtype.startswith("MPEG")
    except OSError as error:
        raise BadClipError(f"{path}: cannot be read: {error.strerror or error}.") from error
    except (soundfile.SoundFileRuntimeError, TypeError) as error:  # TypeError: a headerless format, by suffix
        raise UnreadError(str(getattr(error, "error_string", error)).rstrip(".")) from error
    if len(frames_TC) < expected and not exact:
        raise UnreadError(f"only {len(frames_TC)} of {expected} frames could be read")
    if 0 < len(frames_TC) < expected:
        raise BadClipError(f"{path}: is truncated: {len(frames_TC)} of {expected} frames could be read.")
    return Block(_mono(frames_TC, axis=1), int(rate), _channels_energy(frames_TC, axis=1))


@functools.cache
def _forward_only() -> Any:
    """Return soundfile's reader, made to believe that it cannot seek.

    It would do so behind each read, which some codings cannot.
    """
    import soundfile

    class ForwardOnly(soundfile.SoundFile):  # type: ignore[misc]  # soundfile 0.13 has no types
        def seekable(self) -> bool:
            return False

    return ForwardOnly


def _to_the_end(file: Any) -> np.ndarray:
    """Read the frames (T, channels) of a sound file that does not state how many it has."""
    blocks = [np.zeros((0, file.channels), np.float32)]
    count = 0
    while len(block := file.read(_BLOCK, dtype="float32", always_2d=True)):
        blocks.append(block)
        count += len(block)
        if count > _MOST_FRAMES:
            raise UnreadError("it does not end")
    return np.concatenate(blocks)


def by_pyav(path: Path, source: Path | BinaryIO, format: str) -> Block:
    """Decode with PyAV.

    Args:
        path: names the file in messages.
        source: the file, or a stretch of it.
        format: name of FFmpeg's demuxer.

    Raises:
        BadClipError: no sound track, damaged, or a rate that changes.
    """
    blocks: list[np.ndarray] = []
    count = 0
    channels_energy = 0.0
    with opened(path, format, source) as container:
        stream = single_threaded(_sound_track(container, path), path)
        if checked := stream.codec_context.name in _CHECKED:
            stream.codec_context.options = {"err_detect": "crccheck+explode"}
        rate = 0
        for frame in decoded(container, stream, path):
            if rate not in (0, frame.sample_rate):
                raise BadClipError(f"{path}: changes its rate from {rate} to {frame.sample_rate} Hz midway.")
            rate = frame.sample_rate
            if checked and frame.time_base == Fraction(1, rate) and (frame.pts or 0) != count:
                raise BadClipError(f"{path}: is damaged: sound is missing at {count / rate:.2f} s.")
            frame_CT = _floats_CT(frame)
            blocks.append(_mono(frame_CT, axis=0))
            channels_energy += _channels_energy(frame_CT, axis=0)
            count += len(blocks[-1])
            if count > _MOST_FRAMES:
                raise BadClipError(f"{path}: states no believable length (damaged).")
        if (
            checked
            and stream.duration
            and stream.time_base == Fraction(1, rate or 1)
            and count < stream.duration
        ):
            raise BadClipError(f"{path}: is truncated: {count} of {stream.duration} frames could be read.")
    samples_T = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    return Block(samples_T, rate, channels_energy)


def _sound_track(container: Any, path: Path) -> Any:
    """Return the track that the container marks as its default, else the first."""
    from av.stream import Disposition

    tracks = container.streams.audio
    if not tracks:
        raise BadClipError(f"{path}: has no sound track.")
    return next((track for track in tracks if track.disposition & Disposition.default), tracks[0])


def _mono(block: np.ndarray, axis: int) -> np.ndarray:
    return block.mean(axis=axis, dtype=np.float64).astype(np.float32)


def _channels_energy(block: np.ndarray, axis: int) -> float:
    channels = block.shape[axis]
    return energy(block) / channels if channels > 1 else 0.0


def _floats_CT(frame: Any) -> np.ndarray:
    """Return the samples of a PyAV frame as (channels, T), full scale 1."""
    block = frame.to_ndarray()
    if frame.format.is_packed:
        block = block.reshape(-1, len(frame.layout.channels)).T
    if block.dtype.kind == "f":
        return block
    bits = 8 * block.dtype.itemsize
    return (block.astype(np.float64) - (2 ** (bits - 1) if block.dtype.kind == "u" else 0)) / 2 ** (bits - 1)
