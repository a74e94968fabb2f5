"""The two libraries that decode sound: soundfile for sound files, PyAV for all else. Knows no torch."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from calm_pl.errors import BadClipError
from calm_pl.media.containers import decoded, opened, single_threaded
from calm_pl.media.odd_sound import energy

MOST_FRAMES = 2**31  # three hours at 192 kHz
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


def joined(blocks: Iterator[Block]) -> Block:
    """Return the blocks of a reader as one."""
    found = list(blocks)
    samples_T = found[0].samples_T if len(found) == 1 else np.concatenate([one.samples_T for one in found])
    return Block(samples_T, found[0].rate, sum(one.channels_energy for one in found))


def soundfile_blocks(
    path: Path, source: Path | BinaryIO, exact: bool = True, most: int | None = MOST_FRAMES
) -> Iterator[Block]:
    """Decode with soundfile, block by block; one at least, though it may be empty.

    Args:
        path: names the file in messages.
        source: the file, or a stretch of it.
        exact: whether the file states its length; if not, what soundfile expects is a guess.
        most: frames above which a length is not believed; None believes any.

    Raises:
        BadClipError: unreadable, truncated, or of an incredible length.
        UnreadError: soundfile does not know its coding, or cannot tell its length.
    """
    import soundfile

    count = 0
    try:
        with _forward_only()(source) as file:
            expected, rate = file.frames, file.samplerate
            known = expected != NO_TOTAL
            if known and most is not None and expected > most:
                raise BadClipError(f"{path}: states no believable length (damaged).")
            exact = exact and not file.subtype.startswith("MPEG")
            while True:
                frames_TC = file.read(_BLOCK, dtype="float32", always_2d=True)
                if count and not len(frames_TC):
                    break
                count += len(frames_TC)
                if not known and most is not None and count > most:
                    raise UnreadError("it does not end")
                yield Block(_mono(frames_TC, axis=1), int(rate), _channels_energy(frames_TC, axis=1))
                if not count:
                    break
    except OSError as error:
        raise BadClipError(f"{path}: cannot be read: {error.strerror or error}.") from error
    except (soundfile.SoundFileRuntimeError, TypeError) as error:  # TypeError: a headerless format, by suffix
        raise UnreadError(str(getattr(error, "error_string", error)).rstrip(".")) from error
    if known and count < expected and not exact:
        raise UnreadError(f"only {count} of {expected} frames could be read")
    if known and 0 < count < expected:
        raise BadClipError(f"{path}: is truncated: {count} of {expected} frames could be read.")


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


def pyav_blocks(
    path: Path, source: Path | BinaryIO, format: str, most: int | None = MOST_FRAMES
) -> Iterator[Block]:
    """Decode with PyAV, block by block; one at least, though it may be empty.

    Args:
        path: names the file in messages.
        source: the file, or a stretch of it.
        format: name of FFmpeg's demuxer.
        most: frames above which a length is not believed; None believes any.

    Raises:
        BadClipError: no sound track, damaged, or a rate that changes.
    """
    count = 0
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
            count += frame_CT.shape[1]
            if most is not None and count > most:
                raise BadClipError(f"{path}: states no believable length (damaged).")
            yield Block(_mono(frame_CT, axis=0), rate, _channels_energy(frame_CT, axis=0))
        if (
            checked
            and stream.duration
            and stream.time_base == Fraction(1, rate or 1)
            and count < stream.duration
        ):
            raise BadClipError(f"{path}: is truncated: {count} of {stream.duration} frames could be read.")
    if not count:
        yield Block(np.zeros(0, np.float32), rate)


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
