"""Names of splits as people write them, and the side that each is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import NamedTuple

from calm_pl.data.questions.clips import Clip

# In the order of preference where several are there.
POOL_NAMES = ("train", "training")
QUERY_NAMES = ("test", "testing", "eval", "evaluation")
HELDOUT_NAMES = ("heldout", "held-out", "held_out", "validation", "valid", "val", "dev", "development")
SPLIT_NAMES = (*POOL_NAMES, *QUERY_NAMES, *HELDOUT_NAMES)
POOL, QUERY = POOL_NAMES[0], QUERY_NAMES[0]
_SHOWN = 5


class Sides(NamedTuple):
    """Which split is which side.

    Attributes:
        pool: support clips are drawn from it.
        query: it is evaluated.
        heldout: held-out clips are drawn from it; None where there is no such split.
        notes: what a reader of the results must know about the choice.
    """

    pool: str
    query: str
    heldout: str | None
    notes: list[str]


def split_name(text: str) -> str:
    """Return a split's name: in lower case where it is a usual one, else as it is."""
    name = text.strip()
    return name.lower() if is_split(name) else name


def is_split(name: str) -> bool:
    """Return whether a name is usual for a split, in any case."""
    return name.strip().lower() in SPLIT_NAMES


def choose_sides(clips: Sequence[Clip], pool: str | None, query: str | None) -> Sides:
    """Choose the sides among the splits of clips; those that a user names are taken as they are.

    Where there is no usual query but a held-out split, that one is the query. Clips of splits that are on no
    side are counted in a note.
    """
    counts = Counter(clip.split for clip in clips)
    named_query = query
    pool = pool or _first(POOL_NAMES, counts) or POOL
    query = query or _first(QUERY_NAMES, counts)
    notes = []
    if query is None and pool in counts:
        query = _first(HELDOUT_NAMES, counts)
        if query is not None:
            notes.append(f"the split {query!r} is the query, since there is no test split")
    query = query or QUERY
    heldout = _first(HELDOUT_NAMES, counts.keys() - {pool, query})
    unused = sorted(counts.keys() - {pool, query, heldout})
    if unused and named_query is None:
        shown = ", ".join(f"{name!r} ({counts[name]:,})" for name in unused[:_SHOWN])
        notes.append(f"clips of these splits are on neither side: {shown}")
    return Sides(pool, query, heldout, notes)


def classes_without_query(clips: Sequence[Clip], sides: Sides) -> list[str]:
    """Return a note about classes of the pool that no query clip has; none where there are none."""
    labels = {
        side: {label for clip in clips if clip.split == side for label in clip.labels}
        for side in (sides.pool, sides.query)
    }
    lacking = sorted(labels[sides.pool] - labels[sides.query])
    if not lacking or not labels[sides.query]:
        return []
    more = f" and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
    return [f"classes without a query clip: {', '.join(lacking[:_SHOWN])}{more}"]


def _first(names: Sequence[str], present: Collection[str]) -> str | None:
    return next((name for name in names if name in present), None)
