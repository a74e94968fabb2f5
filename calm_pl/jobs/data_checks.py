"""Checks of a job's data: labels, rounds, and whether clips can be decoded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from calm_pl.jobs.findings import Finding, Patient, few
from calm_pl.progress import Progress

if TYPE_CHECKING:
    from calm_pl.models.preparer import Preparer

TRIED_CLIPS, TRIED_VIDEOS = 200, 20
_MOST_FAILURES = 5


@dataclass
class _AnyModel:
    """Stands for a model that is not loaded: its usual sound format."""

    sample_rate: int = 16_000
    max_seconds: float = 30.0
    modalities: tuple[str, ...] = ("audio", "video")


def check_data(patient: Patient) -> Iterator[Finding]:
    """Root, labels, and clips per class and split."""
    from calm_pl.data import benchmark_class
    from calm_pl.data.inventory import alike_labels, class_counts
    from calm_pl.data.loading.base import FewShotDataModule

    settings = patient.config.data
    data = FewShotDataModule(benchmark_class(settings.benchmark)(settings))
    listing = data.read()
    patient.data = data
    facts = data.benchmark.facts
    yield Finding(True, f"data: {facts.title} found in {data.root}")
    if facts.clips and not any(facts.title in note for note in data.notes):
        full = f"{facts.clips:,} clips and {facts.classes} classes"
        yield Finding(True, f"counts: all {full} of the full set")
    for note in data.notes:
        yield Finding(None, f"note: {note}")
    if data.missing:
        yield Finding(None, f"missing: {few([str(clip.path) for clip in data.missing])}")
    yield Finding(True, f"labels: {len(listing.classes)} classes, {few(listing.classes)}")
    if alike := alike_labels(listing.classes):
        pairs = few([f"{first!r} and {second!r}" for first, second in alike])
        what = "these may be one class" if data.benchmark.own_data else "alike, but the set's own classes"
        yield Finding(None, f"labels: {what}: {pairs}")
    for line in class_counts(listing):
        yield Finding(True, line)


def check_rounds(patient: Patient) -> Iterator[Finding]:
    """All configured rounds: folds, draws, leaks."""
    data, settings = patient.data, patient.config.data
    if data is None:
        return
    known = len(data.notes)
    data.prepare()
    for note in data.notes[known:]:
        yield Finding(None, f"note: {note}")
    yield Finding(
        True,
        f"rounds: {len(data.rounds)}, with {len(data.support):,} support and {len(data.query):,} query"
        " questions in all",
    )
    guard = settings.leak_guard
    yield Finding(
        None if guard == "none" else True,
        "leaks: not checked (data.leak_guard=none)"
        if guard == "none"
        else f"leaks: none in any round, by {'names and content' if guard == 'content' else 'names'}",
    )


def check_clips(patient: Patient) -> Iterator[Finding]:
    """The headers of all clips are read, and some by chance, always the same ones, are decoded."""
    data = patient.data
    if data is None:
        yield Finding(None, "clips: not checked, since there is no data", unmade=True)
        return
    from calm_pl.data.inventory import durations, file_kinds
    from calm_pl.data.loading.examined import examine_clips
    from calm_pl.media import odd_sentence

    rule = data.media_rule(cast("Preparer", _AnyModel()))
    clips = list({(clip.path, clip.video): clip for clip in data.read().clips}.values())
    most = TRIED_CLIPS if rule.frames is None else TRIED_VIDEOS
    found = examine_clips(clips, rule, None if patient.all_clips else most, _bar)
    yield Finding(True, f"files: {file_kinds(found.headers)}")
    for reason in found.failures[:_MOST_FAILURES]:
        yield Finding(False, f"clips: {reason}")
    if len(found.failures) > _MOST_FAILURES:
        yield Finding(False, f"clips: {len(found.failures) - _MOST_FAILURES:,} more cannot be decoded")
    whole = found.num_tried == len(clips)
    tried = f"all {len(clips):,}" if whole else f"{found.num_tried:,} of {len(clips):,} taken by chance"
    if not found.failures:
        frames = "" if rule.frames is None else " with their frames"
        rest = "" if whole else "; --all-clips tries every one"
        yield Finding(True, f"clips: {tried} can be decoded{frames} (at 16 kHz){rest}")
    if found.seconds:
        known = "" if len(found.seconds) == len(clips) else f", of the {len(found.seconds):,} known"
        yield Finding(True, f"durations: {durations(found.seconds)}{known}")
    for kind, names in found.odd.items():
        if names:
            yield Finding(None, f"sound: {odd_sentence(kind, names)}")
    if not any(found.odd.values()) and not found.failures:
        yield Finding(True, "sound: none of those decoded is silent, cancelling or far too loud")
    if found.cut:
        yield Finding(
            None,
            f"long: over {rule.max_seconds:g} s, the usual window (data.long_clips={rule.long_clips}):"
            f" {few(found.cut)}",
        )


def _bar(items: Iterable[Any], total: int, what: str) -> Iterable[Any]:
    """Show progress where it takes a while."""
    return Progress(what, total, "clips", brief=True).over(items)
