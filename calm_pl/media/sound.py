"""Decode the audio of a file of any type: mono float32 at the file's own rate. No torch."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeVar

import numpy as np

from calm_pl.errors import BadClipError
from calm_pl.media.mpeg_audio import streams_of
from calm_pl.media.odd_sound import cancels
from calm_pl.media.ogg_pages import links_of
from calm_pl.media.signatures import Kind, identify
from calm_pl.media.sound_readers import (
    MOST_FRAMES,
    Block,
    UnreadError,
    joined,
    pyav_blocks,
    soundfile_blocks,
)
from calm_pl.media.truncation import lacks_size, refuse_truncated

_CONVERT = "to convert it: ffmpeg -i {name} -ar 16000 -ac 1 out.wav"

Taken = TypeVar("Taken")
_LOUDEST = 2.0**32  # beyond the units of any integer coding; squares of louder samples overflow


class Sound(NamedTuple):
    """The audio of a whole file.

    Attributes:
        samples_T: mono float32 (T,), the mean of the channels.
        rate: samples a second.
        cancels: whether the channels cancel each other in their mean.
    """

    samples_T: np.ndarray
    rate: int
    cancels: bool = False


class _Plan(NamedTuple):
    """How a file is read.

    Attributes:
        sources: the file, or the stretches of it that are streams of their own.
        by_soundfile: whether soundfile is asked before PyAV.
        exact: whether the file states its length.
    """

    sources: list[Path | BinaryIO]
    by_soundfile: bool = True
    exact: bool = True


def read_sound(path: str | Path) -> Sound:
    """Decode a sound file (wav, flac, ogg, mp3, aiff ...) or the default sound track of a container.

    Sound files go to soundfile and where that fails to PyAV, containers (mp4, m4a, webm, mkv, mov, avi, aac
    ...) to PyAV alone. Compressed sound is read to its end, joined streams one after the other. decord is not
    asked for sound: it leaves Opus' priming samples in, so that a clip would depend on which is installed.

    Raises:
        BadClipError: missing, unreadable, truncated, empty, without a sound track, or with NaN.
    """
    path = Path(path)
    kind = identify(path)
    refuse_truncated(path, kind.container)
    plan = _plan(path, kind)
    blocks = [_read(path, source, kind, plan, joined) for source in plan.sources]
    rates = {block.rate for block in blocks if len(block.samples_T)}
    if len(rates) > 1:
        raise _other_rate(path, rates)
    samples_T = blocks[0].samples_T if len(blocks) == 1 else np.concatenate([b.samples_T for b in blocks])
    if len(samples_T) == 0:
        raise BadClipError(f"{path}: contains no samples.")
    _check(path, samples_T)
    return Sound(samples_T, rates.pop(), cancels(samples_T, sum(b.channels_energy for b in blocks)))


def sound_blocks(path: str | Path) -> Iterator[Block]:
    """Decode a file of any length block by block, as `read_sound` does it whole; in this process.

    Of the sound a second or two is in memory at a time; MP3 and Ogg files are read whole before they are
    decoded, as their pages or frames tell whether they are.

    Raises:
        BadClipError: as `read_sound`; also midway, where the fault is in the file's middle.
    """
    path = Path(path)
    kind = identify(path)
    refuse_truncated(path, kind.container)
    plan = _plan(path, kind)
    rates: set[int] = set()
    for source in plan.sources:
        try:
            for block in _read(path, source, kind, plan, _begun, most=None):
                if not len(block.samples_T):
                    continue
                rates.add(block.rate)
                if len(rates) > 1:
                    raise _other_rate(path, rates)
                _check(path, block.samples_T)
                yield block
        except UnreadError as error:
            raise BadClipError(f"{path}: cannot be read to its end: {error}.") from error
    if not rates:
        raise BadClipError(f"{path}: contains no samples.")


def _begun(blocks: Iterator[Block]) -> Iterator[Block]:
    """Return the blocks after decoding the first, so that a reader that cannot do it is found out."""
    return itertools.chain([next(blocks)], blocks)


def _check(path: Path, samples_T: np.ndarray) -> None:
    """Refuse samples that no model can hear.

    Raises:
        BadClipError: NaN, or beyond any unit.
    """
    if not np.isfinite(samples_T).all():
        raise BadClipError(f"{path}: holds samples that are NaN or infinite.")
    loudest = float(max(samples_T.max(), -samples_T.min()))
    if loudest > _LOUDEST:
        raise BadClipError(
            f"{path}: holds samples up to {loudest:.3g}, but full scale is 1: that is no sound in any unit."
        )


def _other_rate(path: Path, rates: set[int]) -> BadClipError:
    return BadClipError(f"{path}: changes its rate ({', '.join(map(str, sorted(rates)))} Hz) midway.")


def _plan(path: Path, kind: Kind) -> _Plan:
    """Choose what is read, and by whom."""
    whole: list[Path | BinaryIO] = [path]
    if kind.container:
        return _Plan(whole, False)
    try:
        if kind.sound == "mp3":
            return _mpeg_plan(path)
        if kind.sound == "ogg":
            return _ogg_plan(path)
        return _Plan(whole, not (kind.sound == "wav" and lacks_size(path)))
    except OSError as error:
        raise BadClipError(f"{path}: cannot be read: {error.strerror or error}.") from error


def _mpeg_plan(path: Path) -> _Plan:
    """Plan an MP3: soundfile reads as many frames as its header states, and guesses where it states none."""
    content = path.read_bytes()
    streams, fault = streams_of(content)
    if fault:
        raise BadClipError(f"{path}: {fault}.")
    if not streams or (len(streams) == 1 and streams[0].stated == streams[0].counted):
        return _Plan([path])
    return _Plan([io.BytesIO(content[one.start : one.stop]) for one in streams], False)


def _ogg_plan(path: Path) -> _Plan:
    """Plan an Ogg file: of a chain soundfile reads the first link only."""
    content = path.read_bytes()
    spans, fault, ended = links_of(content)
    if fault:
        raise BadClipError(f"{path}: {fault}.")
    if len(spans) == 1:
        return _Plan([path], exact=ended)
    return _Plan([io.BytesIO(content[start:stop]) for start, stop in spans], exact=ended)


def _read(
    path: Path,
    source: Path | BinaryIO,
    kind: Kind,
    plan: _Plan,
    take: Callable[[Iterator[Block]], Taken],
    most: int | None = MOST_FRAMES,
) -> Taken:
    """Ask the readers for a source, one after the other, until one gives what is taken of it."""
    demuxer = kind.container or kind.sound
    readers: list[tuple[str, Callable[[], Iterator[Block]]]] = []
    if plan.by_soundfile:
        readers.append(("soundfile", lambda: soundfile_blocks(path, source, plan.exact, most)))
    if demuxer is not None:
        readers.append(("PyAV", lambda: pyav_blocks(path, source, demuxer, most)))
    reasons: list[str] = []
    for name, read in readers:
        if isinstance(source, io.BytesIO):
            source.seek(0)
        try:
            return take(read())
        except BadClipError as error:
            if not reasons:
                raise
            reasons.append(f"{name}: {str(error).removeprefix(f'{path}: ').rstrip('.')}")
        except MemoryError:
            raise
        except UnreadError as error:
            reasons.append(f"{name}: {error}")
        except Exception as error:  # readers raise what their libraries do
            reasons.append(f"{name}: {type(error).__name__}: {error}".splitlines()[0].rstrip("."))
    if kind.looks_like:
        raise BadClipError(f"{path}: is not a sound file that can be decoded (it is {kind.looks_like}).")
    raise BadClipError(
        f"{path}: is not a sound file that can be decoded ({'; '.join(reasons)});"
        f" {_CONVERT.format(name=path.name)}"
    )
