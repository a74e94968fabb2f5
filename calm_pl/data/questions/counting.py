"""Count clips and questions, and never call one the other: a clip with several labels is asked about each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from calm_pl.data.questions.clips import Query


def clip_ids(questions: Sequence[Query], positions: Iterable[int] | None = None) -> set[str]:
    """Return the clips that questions are about.

    Args:
        questions: of a split.
        positions: of those that count; all of them if None.
    """
    some = questions if positions is None else (questions[n] for n in positions)
    return {query.clip.id for query in some}


def unit(questions: Sequence[Query]) -> str:
    """Return what the questions of a list are to be called: `clips` where each is about a clip of its own."""
    return "clips" if len(clip_ids(questions)) == len(questions) else "questions"


def counted(questions: Sequence[Query], kind: str) -> str:
    """Say how many clips of a kind there are, and how many questions about them if these are more."""
    clips = len(clip_ids(questions))
    told = f"{clips:,} {kind} clips"
    return told if clips == len(questions) else f"{len(questions):,} questions about {told}"
