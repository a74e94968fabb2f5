"""A few clips of each class in place of all, for a quick try whose numbers are no result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from calm_pl.data.questions.clips import Clip, Listing
from calm_pl.data.questions.draws import stable_number
from calm_pl.data.questions.rounds import Division
from calm_pl.data.settings import DataSettings

_LEAST_PER_CLASS = 2  # as long as there are classes to leave out


def limit_classes(listing: Listing, settings: DataSettings, keep: str | None) -> Listing:
    """Return the listing with so few classes that each may have two clips; which ones depends on their names.

    Clips that bring their own options keep all classes.

    Args:
        listing: all clips.
        settings: with `limit`.
        keep: a class that must stay; None for none.
    """
    assert settings.limit is not None
    most = max(settings.limit // _LEAST_PER_CLASS, settings.n_options, 2)
    if len(listing.classes) <= most or any(clip.asked for clip in listing.clips):
        return listing
    ranked = sorted(listing.classes, key=lambda label: (label != keep, stable_number("limit", label)))
    kept = set(ranked[:most])
    clips = [
        replace(clip, labels=labels)
        for clip in listing.clips
        if (labels := tuple(label for label in clip.labels if label in kept))
    ]
    return listing._replace(classes=tuple(one for one in listing.classes if one in kept), clips=clips)


def limit_clips(division: Division, classes: Sequence[str], settings: DataSettings) -> Division:
    """Return the division with at most `limit` clips in the query and in the pool, equally many per class.

    At least one per class; held-out clips come on top. Which clips depends on their names alone.
    """
    each = shots_within(classes, settings)
    beside = settings.heldout_shots
    if division.heldout is None:
        return division._replace(pool=_some(division.pool, each + beside), query=_some(division.query, each))
    return division._replace(
        pool=_some(division.pool, each),
        query=_some(division.query, each),
        heldout=_some(division.heldout, beside),
    )


def shots_within(classes: Sequence[str], settings: DataSettings) -> int:
    """Return how many clips of each class a limit leaves room for, 1 or more."""
    assert settings.limit is not None
    return max(1, settings.limit // len(classes))


def _some(clips: Sequence[Clip], each: int) -> list[Clip]:
    """Return clips, in their order, of which every label has `each`, or as many as there are.

    A clip with several labels is taken as long as one of them lacks clips.
    """
    counts: Counter[str] = Counter()
    taken = set()
    for clip in sorted(clips, key=lambda clip: stable_number("limit", clip.id)):
        if any(counts[label] < each for label in clip.labels):
            counts.update(clip.labels)
            taken.add(clip.id)
    return [clip for clip in clips if clip.id in taken]
