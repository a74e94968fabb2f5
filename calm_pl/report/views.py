"""The two interactive parts of a run's page: heads and classes. Their tables also work without a script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from calm_pl.metrics.cells import percent
from calm_pl.report.confusions import (
    CLIPS_SHOWN,
    MISTAKEN_SHOWN,
    ShownClip,
    accuracies,
    class_counts,
    confusion_data,
    in_turn,
    shown_clips,
)
from calm_pl.report.head_maps import head_data, read_head_maps
from calm_pl.report.html import Html, join, tag
from calm_pl.report.results import method_name
from calm_pl.report.sound import MOST_SECONDS, EmbeddedSound, embed
from calm_pl.report.tables import Cell, table
from calm_pl.runs.folder import RunFolder

_SHADES = (("rank", "by rank (deciles)"), ("value", "by value"))
LARGEST_MATRIX = 60
"""Classes up to which the page draws its confusion matrix."""
_NO_SCRIPT = tag("noscript", tag("p", "This section needs JavaScript.", class_="muted"))


class SoundRule(NamedTuple):
    """Which clips a page embeds for listening.

    Attributes:
        audio: whether to embed any.
        clips_per_class: maximum number of clips per class, worst predicted first.
        max_megabytes: maximum size of all clips together.
    """

    audio: bool = False
    clips_per_class: int = 3
    max_megabytes: float = 4.0


class View(NamedTuple):
    """A section of the page and its data.

    Attributes:
        body: markup.
        data: data for the script.
    """

    body: Html
    data: Any


def heads_view(run: RunFolder) -> View | None:
    """Return the map of layers and heads; None if the run has no classifier or no number of layers."""
    layers = run.results.get("heads", {}).get("layers")
    maps = read_head_maps(run.path / "classifier.safetensors") if layers else []
    if not maps:
        return None
    several = len(run.results.get("methods", {}).get(maps[0].method, {}).get("rounds", ())) > 1
    body = join(
        [
            tag(
                "p",
                "Each cell is an attention head of the text decoder: layers from top to bottom, heads from"
                " left to right. Select one with the mouse or the arrow keys to see its reliability and the"
                " classes for which it is most reliable.",
                " The map shows the first round." if several else "",
                class_="muted",
            ),
            tag(
                "div",
                _choice("head-method", "Method", [(one.method, method_name(one.method)) for one in maps]),
                _choice("head-class", "Class", []),
                _choice("head-shade", "Shading", _SHADES),
                class_="controls",
            ),
            tag(
                "div",
                tag(
                    "div",
                    tag("div", id="head-map", role="grid", aria_label="Heads by layer", class_="scroll"),
                    tag("div", id="head-legend", class_="legend"),
                ),
                tag("div", id="head-detail", class_="card", aria_live="polite"),
                class_="split",
            ),
            _NO_SCRIPT,
        ]
    )
    return View(body, {"layers": layers, "maps": [head_data(one) for one in maps]})


def classes_view(
    run: RunFolder, rule: SoundRule, paths: Mapping[str, Path], why_silent: str, licence: str
) -> View:
    """Return the accuracy of each class, what it is confused with, and its worst clips."""
    predictions = run.predictions
    clips = shown_clips(predictions)
    wanted = [predictions.questions[one.position].clip for one in in_turn(clips, rule.clips_per_class)]
    sound = embed(wanted, paths, int(rule.max_megabytes * 1e6)) if rule.audio and paths else EmbeddedSound()
    names = [method_name(name) for name in predictions.methods]
    body = join(
        [
            tag("p", "Select a class to see what it is confused with, and its clips.", class_="muted"),
            tag("p", _sound_note(rule, sound, why_silent, licence), class_="muted", id="sound-note"),
            tag(
                "div",
                _choice("class-method", "Errors of", [(str(m), name) for m, name in enumerate(names)]),
                tag(
                    "label", "Find a class ", tag("input", type="search", id="class-find", autocomplete="off")
                ),
                class_="controls",
            ),
            tag(
                "div",
                tag(
                    "div",
                    table(
                        "Accuracy of each class in %",
                        ["class", "questions", *names],
                        _class_rows(run),
                        sortable=True,
                        tall=True,
                    ),
                    tag("div", id="confusion"),
                ),
                tag("div", id="class-detail", class_="card", aria_live="polite"),
                class_="split",
            ),
            _NO_SCRIPT,
        ]
    )
    order = {clip: number for number, clip in enumerate(sound.uris)}
    data = {
        "methods": names,
        "confusions": [confusion_data(predictions, m) for m in range(len(names))],
        "counts": class_counts(predictions).tolist(),
        "clips": [[_clip_data(one, run, order) for one in some] for some in clips],
        "draws": predictions.predicted_QDM.shape[1],
        "largestMatrix": LARGEST_MATRIX,
        "audio": list(sound.uris.values()),
    }
    return View(body, data)


def _choice(identity: str, label: str, options: Sequence[tuple[str, str]]) -> Html:
    values = (tag("option", text, value=value) for value, text in options)
    return tag("label", f"{label} ", tag("select", values, id=identity))


def _class_rows(run: RunFolder) -> list[list[str | Cell]]:
    shares_CM, counts_C = accuracies(run.predictions), class_counts(run.predictions)
    return [
        [
            Cell(tag("button", label, type="button", class_="pick", data_class=c)),
            Cell(f"{counts_C[c]:,}", int(counts_C[c])),
            *(Cell(percent(share), None if share != share else float(share)) for share in shares_CM[c]),
        ]
        for c, label in enumerate(run.predictions.classes)
    ]


def _clip_data(one: ShownClip, run: RunFolder, order: Mapping[str, int]) -> list[Any]:
    clip = run.predictions.questions[one.position].clip
    return [clip, [list(found) for found in one.predictions], order.get(clip, -1)]


def _sound_note(rule: SoundRule, sound: EmbeddedSound, why_silent: str, licence: str) -> str:
    """Return a note on which clips are embedded, which are not and why, and their licence."""
    shown = f"Up to {CLIPS_SHOWN} questions and {MISTAKEN_SHOWN} confusions per class are shown, worst first."
    if not rule.audio:
        return (
            f"{shown} No audio is embedded, since recordings may be private or licensed:"
            " python launch.py report RUN --audio embeds some."
        )
    if why_silent:
        return f"{shown} No audio is embedded: {why_silent}"
    parts = [
        shown,
        f"{len(sound.uris):,} clips are embedded (at most {rule.clips_per_class} per class and"
        f" {rule.max_megabytes:g} MB), mono at 16 kHz, compressed.",
    ]
    if sound.too_many:
        parts.append(f"{sound.too_many:,} more would make the page too large.")
    if sound.unread:
        parts.append(f"{sound.unread:,} could not be read.")
    if sound.cut:
        parts.append(f"{sound.cut:,} are truncated to {MOST_SECONDS:g} s.")
    if licence:
        parts.append(f"They are subject to the data set's licence: {licence}.")
    return " ".join(parts)
