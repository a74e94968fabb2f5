"""From a benchmark's listing to the questions of support and query: read, drawn, asked, checked."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from calm_pl.cells import control_character
from calm_pl.data.alike import plain
from calm_pl.data.benchmark import Benchmark
from calm_pl.data.questions.clips import Clip, Listing, Query, Round
from calm_pl.data.questions.limits import limit_classes, limit_clips, shots_within
from calm_pl.data.questions.prompts import Questioner
from calm_pl.data.questions.rounds import divide, make_plan, without_query_groups
from calm_pl.errors import DataError

_SHOWN = 5


@dataclass
class Prepared:
    """A benchmark's questions.

    Attributes:
        support: questions about support and held-out clips, of all rounds.
        query: questions about query clips, of all rounds.
        rounds: which of them belong to each fold and draw.
        notes: what a reader of the results must know about the draw, a sentence each.
    """

    support: list[Query]
    query: list[Query]
    rounds: list[Round]
    notes: list[str]


class Listed(NamedTuple):
    """A benchmark's clips.

    Attributes:
        listing: those on disk, with the classes that have any.
        missing: those that are listed but not on disk.
        notes: what a reader of the results must know about the data, a sentence each.
    """

    listing: Listing
    missing: list[Clip]
    notes: list[str]


def list_clips(benchmark: Benchmark) -> Listed:
    """Read which clips there are.

    Raises:
        DataError: a wrong root, a bad list, missing files, a single class and the like.
    """
    benchmark.notes = []
    listing = benchmark.read()
    missing = [clip for clip in listing.clips if not _is_there(clip)]
    listing, notes = _on_disk(benchmark, listing, missing)
    notes = [*benchmark.notes, *notes]
    if len(listing.classes) < 2:
        raise DataError(f"{benchmark.root} has {len(listing.classes)} classes; a benchmark needs 2 or more.")
    if (limit := benchmark.settings.limit) is not None:
        whole = len(listing.classes)
        listing = limit_classes(listing, benchmark.settings, benchmark.positive)
        left = "" if len(listing.classes) == whole else f", {len(listing.classes)} of {whole} classes"
        notes.insert(
            0, f"limited to {limit} support and {limit} query clips{left} (data.limit): not a result"
        )
    return Listed(listing, missing, notes)


def prepare(benchmark: Benchmark, listed: Listed) -> Prepared:
    """Draw, ask and check, before any model is loaded.

    Raises:
        DataError: an empty class, too few clips, a leak and the like.
    """
    s = benchmark.settings
    listing = listed.listing
    notes: list[str] = []
    _refuse_control_characters(listing.classes)
    ask = Questioner(
        listing.classes, benchmark.question, s.n_options, s.seed, s.readable_labels, s.option_orders
    )
    divisions = list(divide(listing, s))
    if s.limit is not None:
        divisions = [limit_clips(one, listing.classes, s) for one in divisions]
        each = shots_within(listing.classes, s)
        s = replace(s, shots=each if s.shots is None else min(s.shots, each))
    if benchmark.shared_groups and s.leak_guard != "none":
        divisions, left_out = without_query_groups(divisions)
        notes += left_out
    plan = make_plan(
        divisions, listing.classes, ask, s, take_fewer=bool(listed.missing) or s.limit is not None
    )
    if plan.short:
        few = ", ".join(f"{label} {count}" for label, count in list(plan.short.items())[:_SHOWN])
        notes.append(f"{len(plan.short)} classes have fewer support clips than requested: {few}")
    if s.leak_guard == "none":
        notes.append("the leak guard was off")
    return Prepared(plan.support, plan.query, plan.rounds, notes)


def _refuse_control_characters(labels: Sequence[str]) -> None:
    for label in labels:
        if (found := control_character(label)) is not None:
            raise DataError(
                f"The label {label!a} holds the control character {found}, which would break whatever"
                " shows it: rename the class."
            )


def _on_disk(benchmark: Benchmark, listing: Listing, missing: Sequence[Clip]) -> tuple[Listing, list[str]]:
    """Return the listing without missing clips and classes that have no clip left, and notes about them."""
    s = benchmark.settings
    stop = benchmark.own_data if s.on_missing == "auto" else s.on_missing == "stop"
    if missing and (stop or len(missing) == len(listing.clips)):
        raise DataError(_missing_files(missing, len(listing.clips), stop))
    gone = {clip.id for clip in missing}
    here = [clip for clip in listing.clips if clip.id not in gone]
    present = {label for clip in here for label in clip.labels}
    classes = tuple(label for label in listing.classes if label in present)
    notes = list(benchmark.facts.compare(here, classes))
    if missing:
        notes.append(f"{len(missing):,} of {len(listing.clips):,} listed clips are not on disk (missing.csv)")
    return listing._replace(classes=classes, clips=here), notes


def _is_there(clip: Clip) -> bool:
    return clip.path.is_file() and (clip.video is None or clip.video.is_file())


def _missing_files(missing: Sequence[Clip], total: int, stop: bool) -> str:
    shown = [str(clip.video if clip.path.is_file() else clip.path) for clip in missing[:_SHOWN]]
    more = f"\n  and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
    hint = " (data.on_missing=skip continues without them)" if stop and len(missing) < total else ""
    near = _nearest(Path(shown[0]))
    return f"{len(missing)} of {total} clips are not on disk{hint}:\n  " + "\n  ".join(shown) + more + near


def _nearest(path: Path) -> str:
    """Return the name on disk that differs in case, suffix or code points from a missing one."""
    part = path
    while not part.parent.is_dir() and part != part.parent:
        part = part.parent
    reading = plain(part.stem).casefold()
    near = [name for name in sorted(os.listdir(part.parent)) if plain(Path(name).stem).casefold() == reading]
    return f"\n{part.name!r} is listed; {near[0]!r} is in {part.parent}." if near else ""
