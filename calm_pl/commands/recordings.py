"""The part of `predict` that labels long recordings with times (`--window`)."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from calm_pl.errors import BadClipError, ConfigError
from calm_pl.progress import Progress

if TYPE_CHECKING:
    from calm_pl.methods.classifier import Classifier
    from calm_pl.models import FrozenLALM
    from calm_pl.report.label_tracks import LabelledRecording

_SUFFIXES = {"csv": ".csv", "json": ".json", "audacity": ".txt", "raven": ".selections.txt"}
_TRACKS = ("audacity", "raven")


def add_window_arguments(command: argparse.ArgumentParser) -> None:
    """Add `--window`, `--hop` and `--out`."""
    command.add_argument(
        "--window",
        type=float,
        metavar="SECONDS",
        help="label long recordings with times, by windows of this length, about that of the fitted clips",
    )
    command.add_argument(
        "--hop", type=float, metavar="SECONDS", help="from one window to the next; default: half a window"
    )
    command.add_argument(
        "--out", metavar="FOLDER", help="with --window: write one file per recording, instead of printing"
    )


def refuse_wrong_mix(args: argparse.Namespace) -> None:
    """Check that options of whole files and of windows are not mixed.

    Raises:
        ConfigError: all that are.
    """
    faults = []
    if args.window is None:
        given = {"--hop": args.hop, "--out": args.out}
        alone = [flag for flag, value in given.items() if value is not None]
        alone += [f"--{args.format}"] if args.format in _TRACKS else []
        faults += [
            f"{flag}: needs --window: it is for recordings that are labelled with times" for flag in alone
        ]
    else:
        if args.coverage is not None:
            faults.append("--coverage: is for whole files; leave it out with --window")
        if args.top != 1:
            faults.append("--top: is for whole files; leave it out with --window")
        if args.hop is not None and not 0 < args.hop <= args.window:
            faults.append(
                f"--hop: must be above 0 and at most --window, {args.window:g}, but is {args.hop:g}"
            )
    if faults:
        raise ConfigError(faults)


def track_files(files: Sequence[Path], format: str, folder: str | None) -> dict[Path, Path | None]:
    """Return the file to write for each recording; None where it is printed.

    Raises:
        ConfigError: several tracks would be printed as one, or written to one file.
    """
    if folder is None:
        if format in _TRACKS and len(files) > 1:
            raise ConfigError([f"--{format}: names no recording, so that several need --out=FOLDER"])
        return dict.fromkeys(files)
    names = Counter(file.name for file in files)
    twice = next((name for name, count in names.items() if count > 1), None)
    if twice is not None:
        raise ConfigError([f"--out: two recordings are named {twice}; label their folders one at a time"])
    return {file: Path(folder) / f"{file.name}{_SUFFIXES.get(format, '.csv')}" for file in files}


def label_recordings(
    args: argparse.Namespace,
    classifier: Classifier,
    lalm: FrozenLALM,
    method: str,
    targets: dict[Path, Path | None],
) -> None:
    """Label recordings, and print or write their tracks.

    Raises:
        BadClipError: one cannot be read, without `--skip-bad`.
    """
    from calm_pl.atomic_files import write_text

    done = []
    for path, target in targets.items():
        found = _labelled(args, classifier, lalm, method, path)
        if found.error and not args.skip_bad:
            raise BadClipError(f"{found.error} (--skip-bad continues without such recordings.)")
        if target is None:
            done.append(found)
        else:
            text = _text("csv" if args.format == "table" else args.format, [found], lalm)
            write_text(target, text)
            print(f"{target}: {len(found.events)} events")
        if found.error:
            print(found.error, file=sys.stderr)
        elif found.silent_seconds:
            print(
                f"{path}: {found.silent_seconds:.1f} of {found.seconds:.1f} s are digitally silent and have"
                " no label.",
                file=sys.stderr,
            )
    if not done:
        return
    if args.format == "table":
        _print_table(done)
    else:
        print(_text(args.format, done, lalm), end="")


def _labelled(
    args: argparse.Namespace, classifier: Classifier, lalm: FrozenLALM, method: str, path: Path
) -> LabelledRecording:
    from calm_pl.evaluation.recordings import events, label_recording
    from calm_pl.report.label_tracks import LabelledRecording

    sections = label_recording(
        classifier,
        lalm,
        path,
        method,
        window=args.window,
        hop=args.hop,
        batch_size=args.batch_size,
        abstain=args.abstain,
        random_options=args.random_options,
    )
    seen = []
    error = ""
    try:
        for section in Progress(str(path), None, "sections", brief=True).over(sections):
            seen.append(section)
    except BadClipError as fault:
        error = str(fault)
    return LabelledRecording(
        str(path),
        list(events(seen)),
        seen[-1].stop if seen else 0.0,
        sum(one.stop - one.start for one in seen if one.silent),
        error,
    )


def _text(format: str, recordings: Sequence[LabelledRecording], lalm: FrozenLALM) -> str:
    from calm_pl.report.label_tracks import audacity_text, csv_text, json_text, raven_text

    if format == "raven":
        return "".join(raven_text(one, lalm.preparer.sample_rate / 2) for one in recordings)
    if format == "audacity":
        return "".join(map(audacity_text, recordings))
    return csv_text(recordings) if format == "csv" else json_text(recordings)


def _print_table(recordings: Sequence[LabelledRecording]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("file", overflow="fold")
    for head in ("start", "stop"):
        table.add_column(head, justify="right")
    table.add_column("label")
    table.add_column("probability", justify="right")
    for one in recordings:
        if one.error:
            table.add_row(one.path, "", "", "cannot be read", "")
        elif not one.events:
            table.add_row(one.path, "", "", "no label", "")
        for number, event in enumerate(one.events):
            name = one.path if number == 0 and not one.error else ""
            times = (_clock(event.start), _clock(event.stop))
            table.add_row(name, *times, event.label, f"{event.probability:.3f}")
    Console().print(table)


def _clock(seconds: float) -> str:
    """Format a time as hours, minutes and seconds."""
    tenths = round(seconds * 10)
    return f"{tenths // 36_000}:{tenths // 600 % 60:02d}:{tenths % 600 / 10:04.1f}"
