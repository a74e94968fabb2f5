"""From users' rows to a listing: rows of one clip joined, and data without splits divided."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from calm_pl.data.alike import refuse_twins
from calm_pl.data.own.splits import POOL, QUERY, choose_sides, classes_without_query
from calm_pl.data.questions.clips import Asked, Clip, Listing
from calm_pl.data.questions.draws import stable_number
from calm_pl.data.settings import DataSettings
from calm_pl.errors import DataError


class Found(NamedTuple):
    """A clip as given by one row.

    Attributes:
        where: file and row, for errors.
        clip: with the labels of this row alone.
    """

    where: str
    clip: Clip


class Joined(NamedTuple):
    """Distinct clips.

    Attributes:
        clips: with the labels and questions of all their rows, in the order of their names.
        repeats: rows that told nothing new.
    """

    clips: list[Clip]
    repeats: int


def join_rows(found: Sequence[Found]) -> Joined:
    """Join rows of one clip into a clip with several labels, whatever the order of the rows.

    Of several questions about one label of a clip the first in alphabetical order is asked.

    Raises:
        DataError: rows of one clip that differ in group or video, or only some of which have a split or fold.
    """
    for part in ("split", "fold"):
        lacking = [row.where for row in found if not getattr(row.clip, part)]
        if 0 < len(lacking) < len(found):
            raise DataError(f"{lacking[0]}: {part} is empty, but other rows have one; give all or none.")
    rows: dict[tuple[str, str, str], list[Found]] = defaultdict(list)
    for row in found:
        rows[row.clip.id, row.clip.split, row.clip.fold].append(row)
    clips, repeats = [], 0
    for key in sorted(rows):
        first, *others = sorted(rows[key], key=lambda row: row.clip.labels)
        for other in others:
            if (first.clip.groups, first.clip.video) != (other.clip.groups, other.clip.video):
                raise DataError(
                    f"{first.where} and {other.where} are about the same clip and must have the same group"
                    " and video."
                )
        labels = sorted({label for row in rows[key] for label in row.clip.labels})
        asked: dict[str, Asked] = {}
        for one in sorted((one for row in rows[key] for one in row.clip.asked), reverse=True):
            asked[one.label] = one
        clips.append(
            replace(first.clip, labels=tuple(labels), asked=tuple(asked[one] for one in sorted(asked)))
        )
        repeats += len(rows[key]) - len({row.clip.labels for row in rows[key]})
    return Joined(clips, repeats)


def own_listing(
    clips: Sequence[Clip], settings: DataSettings, notes: list[str], classes: Sequence[str] = ()
) -> Listing:
    """List clips by their splits, else by their folds, else divided by `data.query_fraction`.

    Args:
        clips: each once.
        settings: of the data.
        notes: what a reader of the results must know is added to them.
        classes: class order; that of the labels' names where empty.

    Raises:
        DataError: labels that look alike.
    """
    refuse_twins(label for clip in clips for label in clip.labels)
    folds = sorted({clip.fold for clip in clips} - {""}, key=_natural)
    has_splits = any(clip.split for clip in clips)
    if not has_splits and not folds:
        clips = with_split(clips, settings.query_fraction)
    sides = choose_sides(clips, settings.pool_split, settings.query_split)
    if has_splits:
        notes += [*sides.notes, *classes_without_query(clips, sides)]
    return Listing(
        tuple(classes) or tuple(sorted({label for clip in clips for label in clip.labels})),
        list(clips),
        folds=tuple(folds),
        fold=folds[0] if folds and not has_splits else None,
        pool=sides.pool,
        query=sides.query,
        heldout=sides.heldout,
    )


def with_split(clips: Sequence[Clip], query_fraction: float) -> list[Clip]:
    """Return the clips, each with the split `train` or `test`.

    Clips that share a group, or are one file, stay together. Of each class, about `query_fraction` of those
    bundles becomes the query, and at least one on either side where there are two. Which ones depends on
    their names alone: not on the order of the files, on `data.seed` or on the draw, so that every draw is
    evaluated on the same query.
    """
    bundle_of = _bundles(clips)
    bundles: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        bundles[bundle_of[clip.id]].append(clip)
    # The rarest label decides where a bundle of several labels belongs: it can least be spared on one side.
    count: dict[str, int] = defaultdict(int)
    for name in bundles:
        for label in _labels(bundles[name]):
            count[label] += 1
    classes: dict[str, list[str]] = defaultdict(list)
    for name, members in bundles.items():
        classes[min(_labels(members), key=lambda label: (count[label], label))].append(name)
    query: set[str] = set()
    for names in classes.values():
        ranked = sorted(names, key=lambda name: stable_number("split", name))
        n = len(ranked)
        query.update(ranked[: min(max(round(query_fraction * n), 1), n - 1)])
    return [replace(clip, split=QUERY if bundle_of[clip.id] in query else POOL) for clip in clips]


def _natural(fold: str) -> tuple[int, str]:
    """Return a sort key: numbers in numerical order, before words."""
    return (int(fold), fold) if fold.isascii() and fold.isdigit() else (10**9, fold)


def _labels(members: Sequence[Clip]) -> set[str]:
    return {label for clip in members for label in clip.labels}


def _bundles(clips: Sequence[Clip]) -> dict[str, str]:
    """Return for each clip id the name of its group: the least id of all clips linked to it by groups."""
    parent: dict[str, str] = {}

    def root(node: str) -> str:
        while parent.setdefault(node, node) != node:
            parent[node] = node = parent[parent[node]]
        return node

    for clip in clips:
        for group in clip.groups:
            parent[root(f"group {group}")] = root(f"clip {clip.id}")
    least: dict[str, str] = {}
    for clip in clips:
        top = root(f"clip {clip.id}")
        least[top] = min(clip.id, least.get(top, clip.id))
    return {clip.id: least[root(f"clip {clip.id}")] for clip in clips}
