"""Random choices that depend on a seed and a clip's id, and on nothing else."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

from calm_pl.data.clips import Clip
from calm_pl.errors import DataError


def stable_number(*parts: object) -> int:
    """A 64-bit number from the parts' text; the same on every machine and in every process."""
    text = "\0".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def draw_support(pool: Sequence[Clip], classes: Sequence[str], shots: int | None, seed: int) -> list[Clip]:
    """`shots` clips of each class, whatever the order of `pool`; all where `shots` is None.

    Fewer shots under the same seed are a subset of more, so that curves over shots are nested.

    Raises:
        DataError: a class with no clips, or with fewer than `shots`.
    """
    by_label: dict[str, list[Clip]] = defaultdict(list)
    for clip in pool:
        by_label[clip.label].append(clip)
    support = []
    for label in classes:
        clips = sorted(by_label[label], key=lambda clip: stable_number(seed, "support", clip.id))
        if not clips:
            raise DataError(f"Class {label!r} has no clip to take support from.")
        if shots is not None and len(clips) < shots:
            raise DataError(
                f"data.shots is {shots}, but class {label!r} has only {len(clips)} clips to draw from;"
                f" set data.shots to {len(clips)} or less, or to null for all."
            )
        support.extend(clips[:shots])
    return support
