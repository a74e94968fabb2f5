"""Choose the frames of a video that a model sees: a rule, and the times that it picks. Pure arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_CLOCK_SECONDS = 1e-3  # WebM and Matroska round times to milliseconds


@dataclass(frozen=True)
class FrameRule:
    """How many frames are taken, and their maximum size.

    Attributes:
        num_frames: frames a clip; fewer where the clip has fewer. Either this or `fps` is given.
        fps: frames for each second of the clip, at least one in all.
        max_frames: the most that are taken under either.
        short_side: pixels that the shorter side has at most; smaller frames are not enlarged.
    """

    num_frames: int | None = None
    fps: float | None = None
    max_frames: int = 64
    short_side: int = 448

    def __post_init__(self) -> None:
        if (self.num_frames is None) == (self.fps is None):
            raise ValueError(
                f"Expected either `num_frames` or `fps`, but got {self.num_frames!r} and {self.fps!r}."
            )
        for name, least in (("num_frames", 1), ("max_frames", 1), ("short_side", 2)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"Expected `{name}` to be {least} or more, but got {value!r}.")
        if self.fps is not None and not 0 < self.fps < float("inf"):
            raise ValueError(f"Expected `fps` to be finite and above 0, but got {self.fps!r}.")


def pick(
    times_F: np.ndarray, duration: float, rule: FrameRule, seconds: float | None
) -> tuple[list[int], float]:
    """Return the frames that are on screen in the middle of n equal parts of the clip.

    Args:
        times_F: seconds at which each of the F frames appears, rising from 0.
        duration: seconds until the last frame goes.
        rule: how many.
        seconds: only this much of the beginning counts; None takes all.

    Returns:
        Positions of the n frames, not falling, and n per second. Where the rate varies, a frame that stays
        for several parts comes several times.
    """
    span = duration if seconds is None else min(duration, seconds)
    available = max(1, int(np.searchsorted(times_F, span - _CLOCK_SECONDS)))
    wanted = rule.num_frames if rule.num_frames is not None else max(1, round(span * (rule.fps or 0)))
    n = min(wanted, rule.max_frames, available)
    middles_n = (np.arange(n) + 0.5) * span / n + _CLOCK_SECONDS
    chosen = np.searchsorted(times_F, middles_n, side="right") - 1
    return chosen.tolist(), n / span


def shrunk_size(height: int, width: int, short_side: int) -> tuple[int, int]:
    """Return even height and width of a frame whose shorter side has at most `short_side` pixels."""
    scale = min(1.0, short_side / min(height, width))

    def even(length: int) -> int:
        nearest = 2 * round(length * scale / 2)
        most = length if length > min(height, width) else min(length, short_side)
        return max(2, min(nearest, most // 2 * 2))

    return even(height), even(width)
