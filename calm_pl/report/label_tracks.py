"""Labels with times in the formats of other programs: CSV, JSON, Audacity's and Raven's tracks. No torch."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from calm_pl.cells import guarded

if TYPE_CHECKING:
    from calm_pl.evaluation.recordings import Event


class LabelledRecording(NamedTuple):
    """A recording and what was found in it.

    Attributes:
        path: the recording.
        events: in the order of time.
        seconds: its length.
        silent_seconds: how much of it is digitally silent.
        error: why it could not be read to its end; empty if it could.
    """

    path: str
    events: Sequence[Event]
    seconds: float = 0.0
    silent_seconds: float = 0.0
    error: str = ""


def csv_text(recordings: Sequence[LabelledRecording]) -> str:
    """Return a row per event, and one per recording that could not be read."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", "start", "stop", "label", "probability", "error"])
    for one in recordings:
        for event in one.events:
            times = (f"{event.start:.3f}", f"{event.stop:.3f}")
            writer.writerow(map(guarded, [one.path, *times, event.label, f"{event.probability:.6f}", ""]))
        if one.error:
            writer.writerow(map(guarded, [one.path, "", "", "", "", one.error]))
    return text.getvalue()


def json_text(recordings: Sequence[LabelledRecording]) -> str:
    """Return a list of recordings, each with its events."""
    return (
        json.dumps(
            [
                {
                    "file": one.path,
                    "seconds": round(one.seconds, 3),
                    "silent_seconds": round(one.silent_seconds, 3),
                    "events": [
                        {
                            "start": round(event.start, 3),
                            "stop": round(event.stop, 3),
                            "label": event.label,
                            "probability": round(event.probability, 6),
                        }
                        for event in one.events
                    ],
                    "error": one.error or None,
                }
                for one in recordings
            ],
            indent=2,
        )
        + "\n"
    )


def audacity_text(recording: LabelledRecording) -> str:
    """Return a label track of Audacity: start, stop and label, separated by tabs."""
    return "".join(f"{one.start:.6f}\t{one.stop:.6f}\t{_one_line(one.label)}\n" for one in recording.events)


def raven_text(recording: LabelledRecording, highest_hertz: float) -> str:
    """Return a selection table of Raven.

    Args:
        recording: what was found.
        highest_hertz: the highest frequency that the model hears; selections reach from 0 to it.
    """
    heads = (
        "Selection",
        "View",
        "Channel",
        "Begin Time (s)",
        "End Time (s)",
        "Low Freq (Hz)",
        "High Freq (Hz)",
    )
    rows = [[*heads, "Label", "Score"]]
    for number, one in enumerate(recording.events, 1):
        times = (f"{one.start:.6f}", f"{one.stop:.6f}")
        rows.append(
            [
                *(str(number), "Spectrogram 1", "1", *times, "0", f"{highest_hertz:g}"),
                *(_one_line(one.label), f"{one.probability:.4f}"),
            ]
        )
    return "".join("\t".join(row) + "\n" for row in rows)


def _one_line(label: str) -> str:
    """Return a label without what separates fields and rows."""
    return " ".join(label.split())
