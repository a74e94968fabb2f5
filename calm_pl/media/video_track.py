"""The video track of a container: the times of its frames, and how they are stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from calm_pl.errors import BadClipError
from calm_pl.media.containers import decoded, opened, single_threaded

# Containers that state when each frame is shown; of others the times are known after decoding. So they are of
# VP8, some of whose packets are never shown.
_TIMED = ("mov", "matroska")


class Track(NamedTuple):
    """The video track of a file of F frames.

    Attributes:
        times_F: seconds from the first frame at which each is shown.
        duration: seconds until the last one goes.
        stamps_F: time stamps by which decoded frames are told; None where their order tells.
        keys: of frames from which decoding can start: position, and the stamp to seek.
        decord_counts: whether decord numbers the frames as they are shown. It does not where an edit list
            hides some, where frames shown before a key frame follow it, nor in containers without stamps.
        height: pixels, upright.
        width: pixels, upright.
        quarter_turns: counter-clockwise, that make a decoded frame upright.
        first_HWC: the first frame, upright RGB uint8.
    """

    times_F: np.ndarray
    duration: float
    stamps_F: list[int] | None
    keys: list[tuple[int, int]]
    decord_counts: bool
    height: int
    width: int
    quarter_turns: int
    first_HWC: np.ndarray


def picture_stream(container: Any, path: Path) -> Any:
    """Return the first video stream of an open container that is not a cover image, set to one thread.

    Raises:
        BadClipError: there is none.
    """
    from av.stream import Disposition

    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return single_threaded(stream, path)
    raise BadClipError(f"{path}: has no video frames (no video track).")


def read_track(path: Path, format: str) -> Track:
    """Read the index of a container and its first frame.

    Raises:
        BadClipError: no video track, no frames, or frames turned by other than quarter turns.
    """
    with opened(path, format) as container:
        stream = picture_stream(container, path)
        timed = format in _TIMED and stream.codec_context.name != "vp8"
        packets = [p for p in container.demux(stream) if p.size] if timed else []
        stamps = {p.pts for p in packets}
        timed = timed and len(stamps) == len(packets) and None not in stamps
    with opened(path, format) as container:
        stream = picture_stream(container, path)
        first, stamps_F = None, []
        for frame in decoded(container, stream, path):
            first = first or frame
            stamps_F.append(frame.pts)
            if timed:
                break
        if first is None:
            raise BadClipError(f"{path}: has no video frames.")
        if first.rotation % 90:
            raise BadClipError(f"{path}: is turned by {first.rotation} degrees, not by quarter turns.")
        turns = first.rotation // 90 % 4
        first_HWC = upright(first, turns)
        lies = {"height": len(first_HWC), "width": first_HWC.shape[1], "quarter_turns": turns}
        seconds_a_stamp = float(stream.time_base)
        rate = float(stream.average_rate or 0)
    if timed:
        told = _from_packets(packets, seconds_a_stamp, rate)
    else:
        told = _from_frames(path, stamps_F, seconds_a_stamp, rate)
    return Track(**told, **lies, first_HWC=first_HWC)


def upright(frame: Any, quarter_turns: int) -> np.ndarray:
    """Return RGB uint8 (H, W, 3) of a PyAV frame, rotated counter-clockwise."""
    return np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), quarter_turns))


def _from_packets(packets: list[Any], seconds_a_stamp: float, rate: float) -> dict[str, Any]:
    shown = sorted((p for p in packets if not p.is_discard), key=lambda p: p.pts)
    stamps = [p.pts for p in shown]
    times_F = (np.array(stamps, np.float64) - stamps[0]) * seconds_a_stamp
    last = (shown[-1].duration or 0) * seconds_a_stamp
    keys = [
        (at, min(p.pts, p.pts if p.dts is None else p.dts)) for at, p in enumerate(shown) if p.is_keyframe
    ]
    return {
        "times_F": times_F,
        "duration": float(times_F[-1]) + (last or _usual_gap(times_F, rate)),
        "stamps_F": stamps,
        "keys": keys,
        "decord_counts": len(shown) == len(packets) and not _has_leading_frames(packets),
    }


def _from_frames(path: Path, stamps: list[int | None], seconds_a_stamp: float, rate: float) -> dict[str, Any]:
    times_F = np.array([np.nan if s is None else s for s in stamps], np.float64) * seconds_a_stamp
    if not (np.diff(times_F) > 0).all():  # AVI gives no times with reordered frames, but a steady rate
        if not rate:
            raise BadClipError(f"{path}: does not state when its frames are shown.")
        times_F = np.arange(len(stamps)) / rate
    times_F = times_F - times_F[0] if len(stamps) > 1 else np.zeros(1)
    return {
        "times_F": times_F,
        "duration": float(times_F[-1]) + _usual_gap(times_F, rate),
        "stamps_F": None,
        "keys": [],
        "decord_counts": False,
    }


def _usual_gap(times_F: np.ndarray, rate: float) -> float:
    """Return the seconds between frames; 1 for a single frame of unknown duration."""
    if len(times_F) > 1:
        return float(times_F[-1]) / (len(times_F) - 1)
    return 1 / rate if rate else 1.0


def _has_leading_frames(packets: list[Any]) -> bool:
    """Return whether frames are stored after a key frame but shown before it (open groups of pictures)."""
    key = packets[0].pts
    for packet in packets:
        if packet.is_keyframe:
            key = packet.pts
        elif packet.pts < key:
            return True
    return False
