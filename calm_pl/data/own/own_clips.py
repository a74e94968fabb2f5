"""From users' rows to a listing: rows of one clip joined, and data without splits divided."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from calm_pl.data.alike import refuse_twins
from calm_pl.data.own.splits import POOL, QUERY, choose_sides, classes_without_query
from calm_pl.data.questions.clips import Asked, Clip, Listing
from calm_pl.data.questions.draws import stable_number
from calm_pl.data.settings import DataSettings
from calm_pl.errors import DataError

_SHOWN = 5


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
    """List clips by their splits, else by their folds, else divided as the settings say.

    Args:
        clips: each once.
        settings: of the data.
        notes: what a reader of the results must know is added to them.
        classes: class order; that of the labels' names where empty.

    Raises:
        DataError: labels that look alike.
    """
    refuse_twins(label for clip in clips for label in clip.labels)
    if settings.group_pattern is not None:
        clips, note = with_guessed_groups(clips, settings.group_pattern)
        notes.append(note)
    has_splits = any(clip.split for clip in clips)
    has_folds = any(clip.fold for clip in clips)
    if not has_splits and not has_folds:
        if settings.cv_folds is None:
            clips = with_split(clips, settings.query_fraction)
        else:
            clips, note = with_folds(clips, settings.cv_folds)
            notes.append(note)
    folds = sorted({clip.fold for clip in clips} - {""}, key=_natural)
    fold = None if has_splits or not folds else folds[0] if settings.cv_folds is None else "all"
    sides = choose_sides(clips, settings.pool_split, settings.query_split)
    if has_splits:
        notes += [*sides.notes, *classes_without_query(clips, sides)]
    return Listing(
        tuple(classes) or tuple(sorted({label for clip in clips for label in clip.labels})),
        list(clips),
        folds=tuple(folds),
        fold=fold,
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
    query: set[str] = set()
    for ranked in _by_rarest_label(clips, bundle_of).values():
        n = len(ranked)
        query.update(ranked[: min(max(round(query_fraction * n), 1), n - 1)])
    return [replace(clip, split=QUERY if bundle_of[clip.id] in query else POOL) for clip in clips]


def with_folds(clips: Sequence[Clip], num_folds: int) -> tuple[list[Clip], str]:
    """Return the clips, each with a fold from "1" on, and a note for readers of the results.

    Clips that share a group, or are one file, are in one fold; those of each class are spread over the folds
    as evenly as that allows. There are never more folds than the largest class has recordings. A class with a
    single one has no fold: it can be fitted, but not evaluated. Folds depend on names alone, as `with_split`.

    Args:
        clips: each once.
        num_folds: folds at most, 2 or more.

    Raises:
        DataError: no class has two recordings.
    """
    bundle_of = _bundles(clips)
    classes = _by_rarest_label(clips, bundle_of)
    most = max(map(len, classes.values()), default=0)
    if most < 2:
        raise DataError(
            "data.cv_folds: no class has two recordings, so none can be fitted on one and evaluated on"
            " another. Clips that share a group count as one recording: check data.group_pattern, or the"
            " list's column of groups."
        )
    sizes = {str(fold): 0 for fold in range(1, min(num_folds, most) + 1)}
    in_bundle = Counter(bundle_of.values())
    fold_of: dict[str, str] = {}
    for ranked in classes.values():
        if len(ranked) < 2:
            continue
        own = dict.fromkeys(sizes, 0)
        for name in ranked:
            fold = min(sizes, key=lambda fold: (own[fold], sizes[fold], fold))
            fold_of[name] = fold
            own[fold] += 1
            sizes[fold] += in_bundle[name]
    lone = sorted(label for label, ranked in classes.items() if len(ranked) < 2)
    note = f"{len(sizes)}-fold cross-validation over {len(in_bundle):,} recordings of {len(clips):,} clips"
    if lone:
        shown = ", ".join(lone[:_SHOWN]) + (" ..." if len(lone) > _SHOWN else "")
        note += f"; classes with a single recording are fitted, but not evaluated: {shown}"
    return [replace(clip, fold=fold_of.get(bundle_of[clip.id], "")) for clip in clips], note


def with_guessed_groups(clips: Sequence[Clip], pattern: str) -> tuple[list[Clip], str]:
    """Return the clips, those without a group with one guessed from the file's name, and a note.

    Args:
        clips: each once.
        pattern: `auto`, the name up to its last `-`, `_`, dot or blank; or a regular expression, whose first
            group names the recording. A name that does not match is a recording of its own.
    """
    found = re.compile(r"(.+)[-_. ]+[^-_. ]*$" if pattern == "auto" else pattern)
    guessed = [clip if clip.groups else _with_group(clip, found) for clip in clips]
    groups = Counter(group for clip in guessed for group in clip.groups)
    alone = sum(not clip.groups for clip in guessed)
    name, most = max(groups.items(), key=lambda item: (item[1], item[0]), default=("", 0))
    largest = f", such as {name!r} with {most}" if most > 1 else ""
    return guessed, (
        f"recordings guessed from file names: {len(groups) + alone:,} of {len(clips):,} clips{largest}"
    )


def _with_group(clip: Clip, pattern: re.Pattern[str]) -> Clip:
    match = pattern.search(clip.path.stem)
    return clip if match is None or not match[1] else replace(clip, groups=(match[1],))


def _by_rarest_label(clips: Sequence[Clip], bundle_of: Mapping[str, str]) -> dict[str, list[str]]:
    """Return bundles by the label that decides where they belong, in an order that only names decide."""
    bundles: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        bundles[bundle_of[clip.id]].append(clip)
    # Of several labels the rarest decides: it can least be spared on one side.
    count = Counter(label for members in bundles.values() for label in _labels(members))
    classes: dict[str, list[str]] = defaultdict(list)
    for name, members in bundles.items():
        classes[min(_labels(members), key=lambda label: (count[label], label))].append(name)
    return {
        label: sorted(classes[label], key=lambda name: stable_number("split", name))
        for label in sorted(classes)
    }


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
