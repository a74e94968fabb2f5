"""`predict`: classify audio files with a classifier fitted by `train` or `fit-free`."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calm_pl.cells import guarded, joined
from calm_pl.commands.arguments import parser
from calm_pl.commands.recordings import (
    add_window_arguments,
    label_recordings,
    refuse_wrong_mix,
    track_files,
)
from calm_pl.errors import BadClipError, ConfigError, ModelError
from calm_pl.jobs.paths import find_files
from calm_pl.methods import METHODS

if TYPE_CHECKING:
    from calm_pl.evaluation.predict import Prediction
    from calm_pl.methods.classifier import Classifier

_EXAMPLES = """\
  {program} --classifier runs/x/classifier.safetensors clip.wav
  {program} --classifier runs/x --top 3 recordings/
  {program} --classifier runs/x/classifier.safetensors --method sav --json *.flac
  {program} --classifier runs/x/classifier.safetensors --csv recordings/ > labels.csv
  {program} --classifier runs/x --window 5 --hop 2.5 --abstain 0.6 night.flac
  {program} --classifier runs/x --window 5 --audacity --out tracks/ recordings/
"""


def run(argv: Sequence[str], program: str, debug: bool) -> int:
    """Run the command; see `main`."""
    args = _parser(program).parse_args(_files_before_flags(argv))
    file = _classifier_file(args.classifier)
    for flag, share in (("--abstain", args.abstain), ("--coverage", args.coverage)):
        if share is not None and not 0 <= share < 1:
            raise ConfigError([f"{flag}: must be 0 or more and below 1, but is {share}"])
    refuse_wrong_mix(args)
    files = list(find_files(args.clips))
    if args.window is not None:
        targets = track_files(files, args.format, args.out)
    # Imports torch, which takes seconds, only now.
    from calm_pl.evaluation.predict import (
        choose_method,
        matching_model,
        predict_files,
        refuse_unknown_options,
        require_prompt,
    )
    from calm_pl.methods.classifier import load_classifier

    classifier = load_classifier(file)
    require_prompt(classifier, str(file))
    refuse_unknown_options(classifier, args.random_options)
    method = choose_method(classifier, args.method, args.coverage is not None)
    if args.question not in (None, classifier.prompt["question"]):
        raise ModelError(
            f"The classifier was fitted with the question {classifier.prompt['question']!r}, not"
            f" {args.question!r}: fit one for it with fit-free data.question=..."
        )
    _refuse_other_mask(classifier, args.mask)
    lalm = matching_model(classifier, args.model)
    if args.window is not None:
        label_recordings(args, classifier, lalm, method, targets)
        return 0
    rows = predict_files(
        classifier,
        lalm,
        files,
        method,
        batch_size=args.batch_size,
        coverage=args.coverage,
        abstain=args.abstain,
        random_options=args.random_options,
    )
    if not args.skip_bad:
        bad = next((row.error for row in rows if row.error), None)
        if bad:
            raise BadClipError(f"{bad} (--skip-bad continues without such clips.)")
    {"json": _print_json, "csv": _print_csv, "table": _print_table}[args.format](rows, args.top)
    return 0


def _classifier_file(text: str) -> Path:
    """Return a classifier's file, given by itself or by its run folder.

    Raises:
        ModelError: there is none.
    """
    path = Path(text) / "classifier.safetensors" if Path(text).is_dir() else Path(text)
    if not path.is_file():
        raise ModelError(f"{path}: cannot be read as a classifier: no such file.")
    return path


def _files_before_flags(argv: Sequence[str]) -> list[str]:
    """Return the arguments, with `./` before files whose names begin with `-`, as YouTube ids can."""
    from calm_pl.data.found_files import is_media

    dashed = (text.startswith("-") and is_media(Path(text)) and Path(text).is_file() for text in argv)
    return [f"./{text}" if is_file else text for text, is_file in zip(argv, dashed, strict=True)]


def _parser(program: str) -> argparse.ArgumentParser:
    command = parser(
        program,
        "Print labels and probabilities of audio files, or label long recordings with times (--window).",
        _EXAMPLES,
    )
    command.add_argument(
        "--classifier",
        required=True,
        metavar="FILE",
        help="classifier.safetensors, or its run folder",
    )
    command.add_argument("clips", nargs="+", help="audio files, or folders of them")
    best = ", ".join(METHODS.preferred())
    command.add_argument("--method", metavar="METHOD", help=f"default: the first available of {best}")
    command.add_argument(
        "--model", metavar="PATH", help="path of the model, if it has moved; must be the one used for fitting"
    )
    command.add_argument(
        "--question", help="safeguard for scripts: stop unless the classifier was fitted with this question"
    )
    command.add_argument(
        "--mask",
        metavar="FILE",
        help="safeguard: stop unless the classifier, which stores its mask, was fitted with this one",
    )
    command.add_argument(
        "--random-options",
        action="store_true",
        help="also accept a classifier fitted with some classes as options, the right one among them: options"
        " are drawn at random",
    )
    command.add_argument("--top", type=int, default=1, help="labels per file, most probable first")
    command.add_argument(
        "--abstain",
        type=float,
        default=0.0,
        metavar="P",
        help="print no label if its probability is below P; calm_auto and gda are calibrated for this",
    )
    command.add_argument(
        "--coverage",
        type=float,
        metavar="SHARE",
        help="also print the smallest set of labels that contains the true one with this probability, such as"
        " 0.9; needs calm_auto or gda, and recordings like those of the support",
    )
    add_window_arguments(command)
    command.add_argument("--batch-size", type=int, default=8, help="clips per forward pass")
    command.add_argument(
        "--skip-bad", action="store_true", help="report files that cannot be read instead of stopping"
    )
    command.add_argument("--debug", action="store_true", help="show the traceback of an error")
    formats = command.add_mutually_exclusive_group()
    for name, what in (
        ("json", "print JSON"),
        ("csv", "print CSV"),
        ("audacity", "with --window: a label track of Audacity"),
        ("raven", "with --window: a selection table of Raven"),
    ):
        formats.add_argument(f"--{name}", dest="format", action="store_const", const=name, help=what)
    command.set_defaults(format="table")
    return command


def _refuse_other_mask(classifier: Classifier, path: str | None) -> None:
    """Check that the named mask is the one used for fitting.

    Raises:
        ModelError: the classifier was fitted with another mask, or without one.
    """
    if path is None:
        return
    from calm_pl.models.masks import HeadMask, load_mask

    code = classifier.model["identity"].get("mask")
    if code is None:
        raise ModelError(f"The classifier was fitted without a mask, not with {path}.")
    fitted = HeadMask.from_code(code)
    if load_mask(path, len(fitted.on_LA)).code() != code:
        raise ModelError(
            f"The classifier was fitted with another mask than {path}: fit one with model.mask=."
        )


def _best(row: Prediction, top: int) -> list[tuple[str, float]]:
    """Return labels with probabilities, most probable first, the prediction before ties."""
    ranked = sorted(row.probabilities.items(), key=lambda item: (-item[1], item[0] != row.label))
    return ranked[:top]


def _print_table(rows: list[Prediction], top: int) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from calm_pl.media import ODD_SOUND

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("file", overflow="fold")
    table.add_column("label")
    table.add_column("probability", justify="right")
    for row in rows:
        if row.error:
            table.add_row(row.path, "cannot be read", "")
        for rank, (label, probability) in enumerate(_best(row, top)):
            named = label if row.label is not None else f"none ({label}?)"
            table.add_row(row.path if rank == 0 else "", named, f"{probability:.3f}")
        if row.candidates is not None:
            table.add_row("", f"one of: {', '.join(row.candidates)}", "")
    Console().print(table)
    for row in rows:
        if row.error:
            print(row.error, file=sys.stderr)
        for kind in row.odd:
            print(f"{row.path}: is {ODD_SOUND[kind]}.", file=sys.stderr)


def _print_json(rows: list[Prediction], top: int) -> None:
    out: list[dict[str, Any]] = []
    for row in rows:
        best = dict(_best(row, top)) if top > 1 else row.probabilities
        entry = {
            "file": row.path,
            "label": row.label,
            "probabilities": best,
            "error": row.error,
            "odd": list(row.odd),
            "method": row.method,
            "abstained": row.abstained,
        }
        out.append(entry if row.candidates is None else {**entry, "candidates": list(row.candidates)})
    print(json.dumps(out, indent=2))


def _print_csv(rows: list[Prediction], top: int) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    with_sets = any(row.candidates is not None for row in rows)
    writer.writerow(["file", "label", "probability", "error", "odd", *(["candidates"] if with_sets else [])])
    for row in rows:
        within = [joined(row.candidates or ())] if with_sets else []
        for label, probability in _best(row, top):
            named = "" if row.label is None else label
            cells = [row.path, named, f"{probability:.6f}", "", "|".join(row.odd), *within]
            writer.writerow(map(guarded, cells))
        if row.error:
            writer.writerow(map(guarded, [row.path, "", "", row.error, "", *within]))
