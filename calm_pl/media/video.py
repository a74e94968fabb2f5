"""Frames of a video by a rule: the same frames whichever library decodes them. No torch."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from calm_pl.errors import BadClipError
from calm_pl.media.frame_rule import FrameRule, pick, shrunk_size
from calm_pl.media.shrink import shrink
from calm_pl.media.signatures import identify
from calm_pl.media.truncation import refuse_truncated
from calm_pl.media.video_pixels import DecordFailedError, Shown, by_decord, by_pyav
from calm_pl.media.video_track import Track, read_track


class Frames(NamedTuple):
    """Sampled frames of a clip.

    Attributes:
        pixels_THWC: RGB uint8 (T, H, W, 3), upright, H and W even.
        fps: sampled frames a second.
    """

    pixels_THWC: np.ndarray
    fps: float


def load_frames(path: str | Path, rule: FrameRule, seconds: float | None = None) -> Frames:
    """Sample frames evenly in time, in this process.

    The frames are those on screen in the middle of n equal parts of the clip, whatever its frame rate does;
    frames that an edit list hides do not count; turned recordings come upright. Non-square pixels are not
    stretched, interlaced and HDR pictures are taken as they are decoded.

    decord decodes where it counts frames right (see `Track.decord_counts`), PyAV everywhere else.

    Args:
        path: a container: mp4, mov, webm, mkv, avi ...
        rule: how many frames, and how large.
        seconds: sample the first seconds only; None takes the whole clip.

    Raises:
        BadClipError: missing, unreadable, truncated, damaged, no video, without frames, of changing size, or
            turned by other than quarter turns.
    """
    return read_frames(path, rule, seconds, use_decord=True)


def read_frames(path: str | Path, rule: FrameRule, seconds: float | None, use_decord: bool) -> Frames:
    """Read frames as `load_frames` does; without `use_decord` PyAV decodes all files."""
    if seconds is not None and not seconds > 0:
        raise ValueError(f"Expected `seconds` to be above 0, but got {seconds!r}.")
    path = Path(path)
    kind = identify(path)
    if not kind.container:
        what = f" (it is {kind.looks_like})" if kind.looks_like else ""
        raise BadClipError(f"{path}: is not a video that can be decoded{what}.")
    refuse_truncated(path, kind.container)
    track = read_track(path, kind.container)
    positions, fps = pick(track.times_F, track.duration, rule, seconds)
    if use_decord and track.decord_counts:
        try:
            return Frames(_collect(path, by_decord(path, track, positions), track, positions, rule), fps)
        except DecordFailedError:
            pass  # PyAV has the last word
    shown = by_pyav(path, kind.container, track, positions)
    return Frames(_collect(path, shown, track, positions, rule), fps)


def _collect(
    path: Path, shown: Iterable[Shown], track: Track, positions: list[int], rule: FrameRule
) -> np.ndarray:
    """Return the frames at `positions`, scaled down, (T, H, W, 3)."""
    height, width = shrunk_size(track.height, track.width, rule.short_side)
    pixels_THWC = np.empty((len(positions), height, width, 3), np.uint8)
    places = np.array(positions)
    missing = set(positions)
    for position, pixels_HWC in shown:
        if pixels_HWC.shape != (track.height, track.width, 3):
            raise BadClipError(f"{path}: changes the size of its frames midway.")
        pixels_THWC[places == position] = shrink(pixels_HWC, height, width)
        missing.discard(position)
    if missing:
        seconds = track.times_F[min(missing)]
        raise BadClipError(f"{path}: is damaged: its frame at {seconds:.2f} s cannot be decoded.")
    return pixels_THWC
