"""Decode chosen frames of a video, by decord or by PyAV: upright RGB, equal from both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from calm_pl.media.containers import decoded, opened
from calm_pl.media.video_track import Track, picture_stream, upright


class Shown(NamedTuple):
    """A decoded frame.

    Attributes:
        position: among the frames of the track.
        pixels_HWC: upright RGB uint8.
    """

    position: int
    pixels_HWC: np.ndarray


class DecordFailedError(Exception):
    """decord is not installed, or reads another file than PyAV does."""


def by_decord(path: Path, track: Track, positions: list[int]) -> Iterator[Shown]:
    """Return the frames at `positions`, ascending.

    Raises:
        DecordFailedError: it cannot be imported, refuses the file, or counts or shows frames otherwise.
    """
    try:
        import decord
    except (ImportError, OSError) as error:  # no wheel for this platform
        raise DecordFailedError from error
    decord.logging.set_level(decord.logging.QUIET)
    try:
        reader = decord.VideoReader(str(path.absolute()), ctx=decord.cpu(0), num_threads=1)
        if len(reader) != len(track.times_F):
            raise DecordFailedError
        if not np.array_equal(reader[0].asnumpy(), track.first_HWC):  # interlaced colours, for one
            raise DecordFailedError
        for position in sorted(set(positions)):
            pixels_HWC = reader[position].asnumpy()
            if pixels_HWC.shape != (track.height, track.width, 3):
                raise DecordFailedError
            yield Shown(position, pixels_HWC)
    except (decord.DECORDError, RuntimeError) as error:
        raise DecordFailedError from error


def by_pyav(path: Path, format: str, track: Track, positions: list[int]) -> Iterator[Shown]:
    """Return the frames at `positions`, ascending, without those that cannot be decoded.

    Raises:
        BadClipError: the file is damaged.
    """
    place = {stamp: at for at, stamp in enumerate(track.stamps_F or [])}
    at, frame = -1, None  # the last decoded one
    with opened(path, format) as container:
        stream = picture_stream(container, path)
        frames = decoded(container, stream, path)
        for target in sorted(set(positions)):
            start = max((key for key in track.keys if key[0] <= target), default=None)
            if start and start[0] > at + 1:
                container.seek(start[1], stream=stream)
                frames = decoded(container, stream, path)
            while at < target:
                frame = next(frames, None)
                if frame is None:
                    return
                at = at + 1 if track.stamps_F is None else place.get(frame.pts, at)
            if at == target:
                yield Shown(target, upright(frame, track.quarter_turns))
