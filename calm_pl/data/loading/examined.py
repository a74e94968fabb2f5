"""What the files of a data set hold: headers of all clips, the sound of some or all."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from calm_pl.data.loading.batches import ClipDataset, Failure, Media, MediaRule
from calm_pl.data.questions.clips import Clip, Query
from calm_pl.media import ODD_SOUND, Header, read_headers
from calm_pl.media.odd_sound import MIN_SECONDS, SHORT

Bar = Callable[[Iterable[Any], int, str], Iterable[Any]]


class Examined(NamedTuple):
    """What was found in the files of N clips.

    Attributes:
        headers: of all of them.
        seconds: durations of those whose header states one, and of those that were decoded.
        num_tried: how many were decoded.
        failures: why some of these could not be.
        odd: ids of clips by their kind of `ODD_SOUND`. Short ones are known from `seconds`, the others are
            among those decoded.
        cut: ids of clips that are longer than the window.
    """

    headers: list[Header]
    seconds: list[float]
    num_tried: int
    failures: list[str]
    odd: dict[str, list[str]]
    cut: list[str]


def examine_clips(clips: Sequence[Clip], rule: MediaRule, most_tried: int | None, bar: Bar) -> Examined:
    """Read the headers of all clips, and decode some by chance, always the same ones.

    Args:
        clips: each file once.
        rule: how they are decoded.
        most_tried: decode at most so many; None decodes all.
        bar: shows progress: from something to go through, its length and what is done, to the same.
    """
    headers = list(bar(read_headers([clip.path for clip in clips]), len(clips), "headers"))
    seconds = {n: header.seconds for n, header in enumerate(headers) if header.seconds is not None}
    count = len(clips) if most_tried is None else min(most_tried, len(clips))
    tried = sorted(random.Random(0).sample(range(len(clips)), count))
    data = ClipDataset([Query(clip, -1, "", ()) for clip in clips], rule)
    failures: list[str] = []
    odd: dict[str, list[str]] = {kind: [] for kind in ODD_SOUND}
    for n in bar(tried, count, "decoding"):
        _, media = data[n]
        if isinstance(media, Failure):
            failures.append(media.reason)
        elif isinstance(media, Media):
            seconds[n] = media.sound.seconds
            for kind in media.sound.odd:
                odd[kind].append(clips[n].id)
    odd[SHORT] = [clips[n].id for n in sorted(seconds) if 0 < seconds[n] < MIN_SECONDS]
    cut = [clips[n].id for n in sorted(seconds) if seconds[n] > rule.max_seconds]
    return Examined(headers, list(seconds.values()), count, failures, odd, cut)
