"""Reports on pseudo-labels: rows of files, an entry of `results.json`, sentences."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from calm_pl.cells import joined
from calm_pl.data.questions.counting import unit
from calm_pl.pseudo.fitting import PseudoFit
from calm_pl.pseudo.labels import DISAGREE, KEPT, NO_VOTE, TIE, UNREADABLE, UNSURE, Quality, quality

_NAMED = 12  # the most classes to name in a sentence
_REASONS = {
    DISAGREE: "below {share} agreement",
    TIE: "tied",
    NO_VOTE: "without an answer",
    UNREADABLE: "unreadable",
    UNSURE: "below a posterior of {posterior}",
}


class FinalLabel(NamedTuple):
    """Final outcome for a support question.

    Attributes:
        label: class index; -1 if there is none.
        outcome: `kept`, or the reason for rejection, see `Vote`; also `low posterior` after self-training.
        posterior: probability of the label in self-training; None without it.
    """

    label: int
    outcome: str
    posterior: float | None = None


def final_labels(fit: PseudoFit) -> list[FinalLabel]:
    """Return labels by position: after self-training if there is one round, else by the votes."""
    finals = [
        FinalLabel(vote.label if vote.outcome == KEPT else -1, vote.outcome) for vote in fit.labels.votes
    ]
    if fit.settings.rounds and len(fit.rounds) == 1:
        labels, posteriors, _ = fit.rounds[0]
        for n in fit.task.rounds[0].support:
            if n in labels:
                finals[n] = FinalLabel(labels[n], KEPT, posteriors[n])
            elif finals[n].outcome != UNREADABLE:
                finals[n] = FinalLabel(-1, UNSURE)
    return finals


def overall(fit: PseudoFit) -> Quality:
    """Return the quality of the final labels over all support questions."""
    labels = {n: one.label for n, one in enumerate(final_labels(fit)) if one.outcome == KEPT}
    return quality(labels, len(fit.task.support), fit.task.support, fit.task.classes)


class Outcome(NamedTuple):
    """The clips with one outcome.

    Attributes:
        name: see `Vote`.
        clips: number of clips.
        accuracy: share whose label, or else most frequent answer, is correct; NaN if none has both a known
            truth and such an answer.
    """

    name: str
    clips: int
    accuracy: float


def outcomes(fit: PseudoFit) -> list[Outcome]:
    """Return every outcome that occurred, kept clips first."""
    finals = final_labels(fit)
    found = []
    for name in (KEPT, *_REASONS):
        here = [n for n, one in enumerate(finals) if one.outcome == name]
        # Rejected clips have no label; their most frequent answer shows what the threshold gains.
        labels = {n: finals[n].label if name == KEPT else fit.labels.votes[n].label for n in here}
        voted = {n: label for n, label in labels.items() if label >= 0}
        judged = quality(voted, len(here), fit.task.support, fit.task.classes)
        if here or name == KEPT:
            found.append(Outcome(name, len(here), judged.accuracy))
    return found


def summary(fit: PseudoFit) -> dict[str, Any]:
    """Return an entry of `results.json`; shares are fractions in [0, 1], null if undefined."""
    every = overall(fit)
    rejected = Counter(one.outcome for one in final_labels(fit) if one.outcome != KEPT)
    return {
        "settings": asdict(fit.settings),
        **_quality(every),
        "rejected": dict(sorted(rejected.items())),
        "unparsed_rollouts": _number(fit.labels.unparsed),
        "rounds": [
            {
                "fold": place.fold or None,
                "draw": place.draw,
                **_quality(one.steps[-1]),
                **({"steps": [_quality(step) for step in one.steps]} if fit.settings.rounds else {}),
            }
            for place, one in zip(fit.task.rounds, fit.rounds, strict=True)
        ],
    }


def sentences(fit: PseudoFit) -> list[str]:
    """Return the sentences about the labels that accompany the results."""
    s, every = fit.settings, overall(fit)
    share = f"{100 * s.min_agreement:g} %"
    rejected = Counter(one.outcome for one in final_labels(fit) if one.outcome != KEPT)
    why = [
        f"{rejected[reason]:,} {words.format(share=share, posterior=f'{s.min_posterior:g}')}"
        for reason, words in _REASONS.items()
        if rejected[reason]
    ]
    # If rounds differ in their labels, the sentence about all clips covers the majority votes alone.
    again = f" and self-training x{s.rounds}" if s.rounds and len(fit.rounds) == 1 else ""
    asked_of = unit(fit.task.support)
    how = (
        f"{s.rollouts} rollouts per {asked_of.removesuffix('s')}"
        f" (T {s.temperature_low:g}–{s.temperature_high:g}, top-p {s.top_p:g})"
    )
    kept = (
        f"{every.kept:,} of {every.asked:,} support {asked_of} kept ({_percent(every.kept / every.asked)} %)"
    )
    others = f"; rejected: {', '.join(why)}" if why else ""
    lines = [
        f"Pseudo-labels by {how}{again}: {kept}{_right(every)}{others};"
        f" {_percent(fit.labels.unparsed)} % of rollouts named no option."
    ]
    fewest = min(len(query.options) for query in fit.task.support)
    if every.known and fewest < len(fit.task.classes):
        lines.append(
            f"The model chose among {fewest} options including the correct one, which is impossible without"
            f" true labels: to measure that case, set data.n_options={len(fit.task.classes)}."
        )
    if s.rounds:
        for step in range(s.rounds + 1):
            reached = [one.steps[step] for one in fit.rounds]
            labelled, asked = sum(q.kept for q in reached), sum(q.asked for q in reached)
            right, known = sum(q.right for q in reached), sum(q.known for q in reached)
            what = f"after self-training {step}" if step else "by votes"
            of = f", {_percent(right / known)} % correct" if known else ""
            lines.append(f"Pseudo-labels {what}: {_percent(labelled / asked)} % of {asked_of} kept{of}.")
    if len(fit.task.rounds) > 1:
        short = [one for one in fit.rounds if one.steps[-1].lacking]
        lacking = sorted(
            {label for one in short for label in one.steps[-1].lacking}, key=fit.task.classes.index
        )
        if lacking:
            lines.append(
                f"In {len(short)} of {len(fit.rounds)} rounds some class has no pseudo-label, so voters on"
                f" pseudo-labels cannot predict it there: {_named(lacking)}."
            )
    elif every.lacking:
        lines.append(
            f"{len(every.lacking)} of {len(fit.task.classes)} classes have no pseudo-label, so voters on"
            f" pseudo-labels cannot predict these: {_named(every.lacking)}."
        )
    return lines


def kept_rows(fit: PseudoFit, root: Path) -> list[list[str]]:
    """Return a header and a row per kept question, as the benchmark `manifest` reads them.

    Args:
        fit: the labels.
        root: paths below this folder are written relative to it.
    """
    classes, pictures = fit.task.classes, any(query.clip.video for query in fit.task.support)
    header = ["path", *(["video"] if pictures else []), "label", "group", "agreement", "votes", "posterior"]
    rows = [[*header, *_TOLD]]
    for n, one in enumerate(final_labels(fit)):
        if one.outcome != KEPT:
            continue
        clip, vote = fit.task.support[n].clip, fit.labels.votes[n]
        video = [_below(root, clip.video) if clip.video else ""] if pictures else []
        # A manifest holds one group per clip; with several kinds of groups, no single one is enough.
        group = clip.groups[0] if len(clip.groups) == 1 else ""
        posterior = "" if one.posterior is None else f"{one.posterior:.6f}"
        front = [
            _below(root, clip.path),
            *video,
            joined([classes[one.label]]),
            group,
            f"{vote.agreement:.6f}",
        ]
        rows.append([*front, str(vote.votes), posterior, *_told(fit, n)])
    return rows


def rejected_rows(fit: PseudoFit, root: Path, failures: Mapping[int, str]) -> list[list[str]]:
    """Return a header and a row per question without a label, with the reason.

    Args:
        fit: the labels.
        root: as for `kept_rows`.
        failures: why clips could not be read, by position.
    """
    rows = [["path", "reason", "vote", "agreement", *_TOLD, "error"]]
    for n, one in enumerate(final_labels(fit)):
        if one.outcome != KEPT:
            vote = fit.labels.votes[n]
            named = fit.task.classes[vote.label] if vote.label >= 0 else ""
            path = _below(root, fit.task.support[n].clip.path)
            rows.append(
                [path, one.outcome, named, f"{vote.agreement:.6f}", *_told(fit, n), failures.get(n, "")]
            )
    return rows


_TOLD = ["truth", "clip", "shown", "answers", "said"]


def _told(fit: PseudoFit, position: int) -> list[str]:
    """Return truth, clip, options, the option each rollout named (`?` for none) and its text as JSON."""
    query, vote, classes = fit.task.support[position], fit.labels.votes[position], fit.task.classes
    return [
        classes[query.label] if query.label >= 0 else "",
        query.clip.id,
        joined([classes[c] for c in query.options]),
        joined([classes[c] if c >= 0 else "?" for c in vote.ballots]),
        json.dumps(vote.said, ensure_ascii=False),
    ]


def _below(root: Path, path: Path) -> str:
    here, there = root.absolute(), path.absolute()
    return (there.relative_to(here) if there.is_relative_to(here) else there).as_posix()


def _quality(one: Quality) -> dict[str, Any]:
    return {
        "n": one.asked,
        "kept": one.kept,
        "accuracy": _number(one.accuracy),
        "classes_without_label": list(one.lacking),
    }


def _number(value: float) -> float | None:
    """Return a number, or None for NaN, which JSON does not have."""
    return None if math.isnan(value) else round(value, 6)


def _percent(fraction: float) -> str:
    return "–" if math.isnan(fraction) else f"{100 * fraction:.1f}"


def _right(one: Quality) -> str:
    if not one.known:
        return ""
    of = "" if one.known == one.kept else f" of {one.known:,} whose class is known"
    return f", {_percent(one.accuracy)} %{of} right"


def _named(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - _NAMED} more" if len(labels) > _NAMED else ""
    return ", ".join(labels[:_NAMED]) + more
