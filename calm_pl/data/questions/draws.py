"""Random choices that depend only on a seed and a clip's id."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from calm_pl.data.questions.clips import Clip
from calm_pl.errors import DataError


class LabelledClip(NamedTuple):
    """A clip drawn for one of its labels."""

    clip: Clip
    label: str


class Drawn(NamedTuple):
    """Clips of one draw.

    Attributes:
        support: class after class.
        heldout: likewise, none of them in the support.
        short: classes with fewer support clips than asked, and how many they have.
    """

    support: list[LabelledClip]
    heldout: list[LabelledClip]
    short: dict[str, int]


def stable_number(*parts: object) -> int:
    """Return a 64-bit number from the parts' text; the same on every machine and in every process."""
    text = "\0".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def draw_support(
    pool: Sequence[Clip],
    classes: Sequence[str],
    shots: int | None,
    seed: int,
    *,
    heldout_shots: int = 0,
    heldout_pool: Sequence[Clip] | None = None,
    take_fewer: bool = False,
) -> Drawn:
    """Draw `shots` clips of each class, whatever the order of `pool`; all if `shots` is None.

    Fewer shots under the same seed are a subset of more, so that curves over shots are nested. A clip with
    several labels may be drawn for each of them. Held-out clips are those next in line, without the groups
    of any support clip.

    Args:
        pool: clips to draw from.
        classes: labels in class order.
        shots: clips a class.
        seed: of the draw.
        heldout_shots: further clips a class.
        heldout_pool: where they come from; `pool` where None.
        take_fewer: a class with fewer than `shots` clips, but one at least, gives those it has.

    Raises:
        DataError: a class with no clips, or with fewer than asked.
    """
    support: list[LabelledClip] = []
    short = {}
    ranked = _ranked(pool, seed)
    for label in classes:
        clips = ranked[label]
        if not clips:
            raise DataError(f"Class {label!r} has no clip to take support from.")
        if shots is not None and len(clips) < shots:
            if not take_fewer:
                raise DataError(
                    f"data.shots is {shots}, but class {label!r} has only {len(clips)} clips to draw from;"
                    f" set data.shots to {len(clips)} or less, or to null for all."
                )
            short[label] = len(clips)
        support += [LabelledClip(clip, label) for clip in clips[:shots]]
    if heldout_shots == 0:
        return Drawn(support, [], short)
    taken = {group for drawn in support for group in drawn.clip.groups} | {d.clip.id for d in support}
    free = [
        c for c in (pool if heldout_pool is None else heldout_pool) if taken.isdisjoint((c.id, *c.groups))
    ]
    ranked, heldout = _ranked(free, seed), []
    for label in classes:
        clips = ranked[label][:heldout_shots]
        if len(clips) < heldout_shots:
            raise DataError(
                f"data.heldout_shots is {heldout_shots}, but class {label!r} has only {len(clips)} clips left"
                " beside its support; lower data.heldout_shots or data.shots."
            )
        heldout += [LabelledClip(clip, label) for clip in clips]
    return Drawn(support, heldout, short)


def _ranked(pool: Sequence[Clip], seed: int) -> dict[str, list[Clip]]:
    """Return the clips of each label in the order in which they are drawn."""
    by_label: dict[str, list[Clip]] = defaultdict(list)
    for clip in sorted(pool, key=lambda clip: stable_number(seed, "support", clip.id)):
        for label in clip.labels:
            by_label[label].append(clip)
    return by_label
