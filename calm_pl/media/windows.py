"""Windows of a recording of any length: overlapping stretches, decoded as they are asked for. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from calm_pl.media.odd_sound import MIN_SECONDS
from calm_pl.media.sound import Sound
from calm_pl.media.sound_readers import Block


class Window(NamedTuple):
    """A stretch of a recording.

    Attributes:
        start: in seconds.
        stop: in seconds.
        sound: at the recording's own rate.
    """

    start: float
    stop: float
    sound: Sound


def sound_windows(blocks: Iterable[Block], seconds: float, hop: float) -> Iterator[Window]:
    """Yield windows that begin every `hop` seconds, until one reaches the end; that one may be shorter.

    The sound of a window is that of a file cut there. An end of less than 0.1 s beyond the last window is
    left out. Memory holds one window and what is being decoded, whatever the recording's length.

    Args:
        blocks: of the recording: from `Decoder.blocks` or `sound_blocks`, whose errors come through.
        seconds: length of a window.
        hop: from one beginning to the next, at most `seconds`.

    Raises:
        ValueError: lengths that leave gaps or make no window.
    """
    if not 0 < hop <= seconds:
        raise ValueError(f"Expected `hop` to be above 0 and at most {seconds!r}, but got {hop!r}.")
    parts: list[np.ndarray] = []
    begin = length = number = rate = 0  # of `parts`, in samples; their length; windows made
    for block in blocks:
        rate = block.rate
        parts.append(block.samples_T)
        length += len(block.samples_T)
        size = round(seconds * rate)
        if length < size:
            continue
        held_T = np.concatenate(parts)  # once a window or more, not once a block: those of PyAV are short
        while len(held_T) >= size:
            yield _window(begin, held_T[:size], rate)
            number += 1
            step = round(number * hop * rate) - begin
            held_T, begin = held_T[step:], begin + step
        parts, length = [held_T], len(held_T)
    covered = round((number - 1) * hop * rate) + round(seconds * rate) if number else 0
    is_new = begin + length > covered and length >= round(MIN_SECONDS * rate)
    if number == 0 or is_new:
        yield _window(begin, np.concatenate(parts), rate)


def _window(begin: int, samples_T: np.ndarray, rate: int) -> Window:
    return Window(begin / rate, (begin + len(samples_T)) / rate, Sound(samples_T.copy(), rate))
