"""Which clips are support and which are query, in each fold and draw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from calm_pl.data.questions.clips import Clip, Listing, Query, Round
from calm_pl.data.questions.draws import LabelledClip, draw_support
from calm_pl.data.questions.leaks import refuse_leaks
from calm_pl.data.questions.prompts import Questioner
from calm_pl.data.settings import DataSettings
from calm_pl.errors import DataError

_SHOWN = 5


class Division(NamedTuple):
    """A data set divided for few-shot evaluation.

    Attributes:
        fold: name of the query fold; empty without folds.
        pool: clips that support clips are drawn from.
        query: clips that are evaluated.
        heldout: clips that held-out clips are drawn from; None draws them from the pool.
    """

    fold: str
    pool: list[Clip]
    query: list[Clip]
    heldout: list[Clip] | None = None


class Questions:
    """A list of questions without repeats.

    Attributes:
        asked: the questions.
    """

    def __init__(self, ask: Questioner) -> None:
        self._questioner = ask
        self._position: dict[tuple[str, str], int] = {}
        self.asked: list[Query] = []

    def add(self, drawn: LabelledClip) -> int:
        """Return the position of the question about a clip and one of its labels."""
        key = (drawn.clip.id, drawn.label)
        if key not in self._position:
            self._position[key] = len(self.asked)
            self.asked.append(self._questioner.ask(drawn.clip, drawn.label))
        return self._position[key]


@dataclass
class Plan:
    """All rounds of a job, over one list of support questions and one of query questions.

    Attributes:
        support: every support or held-out question of any round, once.
        query: every query question of any round, once.
        rounds: folds in their order, in each the draws in theirs.
        short: classes that had fewer support clips than asked, and the fewest they had.
    """

    support: list[Query] = field(default_factory=list)
    query: list[Query] = field(default_factory=list)
    rounds: list[Round] = field(default_factory=list)
    short: dict[str, int] = field(default_factory=dict)


def make_plan(
    divisions: Sequence[Division],
    classes: Sequence[str],
    ask: Questioner,
    settings: DataSettings,
    take_fewer: bool,
) -> Plan:
    """Draw every round's clips and check them against leaks.

    Raises:
        DataError: an empty query, a class without support, a leak, and what `draw_support` raises.
    """
    support, query, plan = Questions(ask), Questions(ask), Plan()
    for division in divisions:
        where = f"Fold {division.fold!r}" if division.fold else "The data set"
        if not division.query:
            raise DataError(f"{where} has no query clip.")
        lacking = sorted({label for clip in division.query for label in clip.labels} - set(classes))
        if lacking:
            raise DataError(f"The query set has classes that the support set lacks: {', '.join(lacking)}.")
        asked = tuple(query.add(LabelledClip(c, label)) for c in division.query for label in c.labels)
        drawn_clips: dict[str, Clip] = {}
        for draw in range(settings.draws):
            drawn = draw_support(
                division.pool,
                classes,
                settings.shots,
                settings.seed + draw,
                heldout_shots=settings.heldout_shots,
                heldout_pool=division.heldout,
                take_fewer=take_fewer,
            )
            drawn_clips |= {one.clip.id: one.clip for one in (*drawn.support, *drawn.heldout)}
            for label, count in drawn.short.items():
                plan.short[label] = min(count, plan.short.get(label, count))
            plan.rounds.append(
                Round(
                    division.fold,
                    draw,
                    tuple(support.add(one) for one in drawn.support),
                    tuple(support.add(one) for one in drawn.heldout),
                    asked,
                )
            )
        if settings.leak_guard != "none":
            refuse_leaks(list(drawn_clips.values()), division.query, settings.leak_guard == "content")
    plan.support, plan.query = support.asked, query.asked
    return plan


def without_query_groups(divisions: Sequence[Division]) -> tuple[list[Division], list[str]]:
    """Return the divisions without support clips that share a group with the query, and a note about them."""
    kept: list[Division] = []
    left_out: set[str] = set()
    groups: set[str] = set()
    for division in divisions:
        asked = {group for clip in division.query for group in clip.groups}
        parts = [division.pool, division.heldout or []]
        for clip in (clip for part in parts for clip in part):
            if shared := asked.intersection(clip.groups):
                left_out.add(clip.id)
                groups |= shared
        pool, heldout = ([clip for clip in part if asked.isdisjoint(clip.groups)] for part in parts)
        kept.append(division._replace(pool=pool, heldout=None if division.heldout is None else heldout))
    if not left_out:
        return kept, []
    counted = "1 clip" if len(left_out) == 1 else f"{len(left_out):,} clips"
    shown = ", ".join(sorted(groups)[:_SHOWN]) + (" ..." if len(groups) > _SHOWN else "")
    return kept, [f"{counted} of the query's own recordings ({shown}) left out of the support pool"]


def divide(listing: Listing, settings: DataSettings) -> Iterator[Division]:
    """Return the divisions that `data.fold`, `data.pool_split` and `data.query_split` specify.

    Raises:
        DataError: a fold or split that the data set does not have.
    """
    wanted = listing.fold if settings.fold is None else settings.fold
    if wanted is None:
        pool = _of_split(listing, settings.pool_split or listing.pool, "data.pool_split")
        query = _of_split(listing, settings.query_split or listing.query, "data.query_split")
        heldout = None
        if listing.heldout and settings.heldout_shots:
            heldout = _of_split(listing, listing.heldout, "the split of held-out clips")
        yield Division("", pool, query, heldout)
        return
    for key, value in (("data.pool_split", settings.pool_split), ("data.query_split", settings.query_split)):
        if value is not None:
            raise DataError(f"{key} is {value!r}, but the data are divided by folds (data.fold={wanted}).")
    if not listing.folds:
        raise DataError(f"data.fold is {wanted!r}, but this data set has no folds; leave it out.")
    for fold in listing.folds if wanted == "all" else (_fold_named(listing.folds, wanted),):
        yield Division(
            fold,
            [clip for clip in listing.clips if clip.fold != fold],
            [clip for clip in listing.clips if clip.fold == fold],
        )


def _of_split(listing: Listing, split: str, key: str) -> list[Clip]:
    clips = [clip for clip in listing.clips if clip.split == split]
    known = sorted({clip.split for clip in listing.clips if clip.split})
    if not clips and split not in known:
        raise DataError(f"{key} is {split!r}, but the clips on disk have the splits {', '.join(known)}.")
    return clips


def _fold_named(folds: Sequence[str], wanted: object) -> str:
    """Return a fold by name, else by its number from 1."""
    if str(wanted) in folds:
        return str(wanted)
    if isinstance(wanted, int) and 1 <= wanted <= len(folds):
        return folds[wanted - 1]
    raise DataError(
        f"data.fold is {wanted!r}, but the folds are {', '.join(folds)}; `all` takes each in turn."
    )
