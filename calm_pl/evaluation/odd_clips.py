"""The clips of which little is heard, for files and sentences. They are evaluated as any other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from calm_pl.data.questions.clips import Clip
from calm_pl.data.questions.counting import clip_ids
from calm_pl.data.questions.task import Task
from calm_pl.evaluation.clip_counts import Coverage
from calm_pl.media import ODD_SOUND, odd_sentences

FILE = "odd_clips.csv"


class OddClip(NamedTuple):
    """A clip of which little is heard.

    Attributes:
        split: `support` or `query`.
        clip: the clip.
        kinds: of `ODD_SOUND`.
    """

    split: str
    clip: Clip
    kinds: tuple[str, ...]


def odd_clips(task: Task, support: Coverage, query: Coverage | None = None) -> list[OddClip]:
    """Return the odd clips, each once per split however many questions it is asked, in the task's order.

    Args:
        task: the questions.
        support: what became of the support.
        query: what became of the query; None where it was not read.
    """
    found: dict[tuple[str, str], OddClip] = {}
    for split, questions, coverage in (("support", task.support, support), ("query", task.query, query)):
        for odd in () if coverage is None else coverage.odd:
            clip = questions[odd.position].clip
            found[split, clip.id] = OddClip(split, clip, odd.kinds)
    return list(found.values())


def num_unjudged(task: Task, support: Coverage, query: Coverage | None = None) -> int:
    """Count the cached clips of which it is not known; arguments as for `odd_clips`."""
    of_query = set() if query is None else clip_ids(task.query, query.unjudged)
    return len(clip_ids(task.support, support.unjudged) | of_query)


def kinds_of(clips: Iterable[OddClip]) -> dict[str, tuple[str, ...]]:
    """Return the kinds of each clip by its id; a clip that is on both sides, in turn, counts once."""
    return {one.clip.id: one.kinds for one in clips}


def counts(clips: Iterable[OddClip]) -> dict[str, int]:
    """Return how many clips are of each kind that there is."""
    found = Counter(kind for kinds in kinds_of(clips).values() for kind in kinds)
    return {kind: found[kind] for kind in ODD_SOUND if found[kind]}


def sentences(clips: Iterable[OddClip], unjudged: int = 0, file: str = FILE) -> list[str]:
    """Say how many clips are of each kind, and which.

    Args:
        clips: from `odd_clips`.
        unjudged: cached clips of which it is not known.
        file: where all of them are listed; empty where they are not.
    """
    lines = odd_sentences(kinds_of(clips), file)
    if unjudged:
        lines.append(
            f"{unjudged:,} cached clips were encoded by a version that did not look for silence and the"
            " like in them."
        )
    return lines
