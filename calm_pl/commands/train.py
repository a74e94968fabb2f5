"""`train`: make a classifier from your own sounds."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from calm_pl.commands.arguments import (
    add_config_arguments,
    add_dry_run_argument,
    add_limit_argument,
    parser,
)
from calm_pl.commands.checklist import dry_run
from calm_pl.config.compose import load_config, to_yaml
from calm_pl.errors import DataError
from calm_pl.jobs.fit_free import fit_free
from calm_pl.runs.folder import read_results

_EXAMPLES = """\
  {program} birds/
  {program} birds/ --groups auto
  {program} birds/list.csv --name birds
  {program} birds/ --model bundled:tiny_lalm trainer.accelerator=cpu
"""
CLASSIFIER = "classifier.safetensors"


def run(argv: Sequence[str], program: str, debug: bool) -> int:
    """Run the command; see `main`."""
    args = _parser(program).parse_intermixed_args(list(argv))
    sounds = Path(args.sounds)
    config = load_config(
        ["folder.yaml" if sounds.is_dir() else "manifest.yaml", *args.config],
        [*_settings(sounds, args.model, args.groups, args.name, args.limit), *args.overrides],
    )
    if args.print_config:
        print(to_yaml(config), end="")
        return 0
    if args.dry_run:
        return dry_run(config)
    job = fit_free(config, quiet=not debug)
    if job is not None:
        file = job.record.run_dir / CLASSIFIER
        start = program.removesuffix(" train")
        clips = read_results(job.record.run_dir).results["n_classifier_clips"]
        print(
            f"The classifier was fitted on {clips:,} clips; the table says how good such a one is on clips"
            " that it did not hear."
        )
        print(f"Label recordings: {start} predict --classifier {shlex.quote(str(file))} FILE_OR_FOLDER")
    return 0


def _parser(program: str) -> argparse.ArgumentParser:
    command = parser(
        program,
        "Make a classifier from your own sounds: a folder with one sub-folder per class, or a list of clips\n"
        "(CSV, TSV, JSON, JSONL). All clips are used, the question has no options, the method is CALM-Auto,\n"
        "and cross-validation says how good it is on recordings that it did not hear.",
        _EXAMPLES,
    )
    command.add_argument("sounds", metavar="FOLDER_OR_LIST", help="class folders, or a list of clips")
    command.add_argument(
        "--model", metavar="PATH", help="model.path: a Hugging Face id, a folder, or bundled:tiny_lalm"
    )
    command.add_argument(
        "--groups",
        metavar="PATTERN",
        help="data.group_pattern: guess from file names which clips are cut from one recording, and keep them"
        " together; auto (tape7_01 and tape7_02 are of tape7), or a regular expression whose first group"
        " is the recording",
    )
    command.add_argument("--name", help="run.name, the folder below runs/; that of FOLDER_OR_LIST by default")
    add_limit_argument(command)
    add_dry_run_argument(command)
    add_config_arguments(command)
    return command


def _settings(
    sounds: Path, model: str | None, groups: str | None, name: str | None, limit: int | None
) -> list[str]:
    """Return overrides for the arguments.

    Raises:
        DataError: no such folder or list.
    """
    if not sounds.exists():
        raise DataError(f"{sounds}: no such folder, and no such list of clips.")
    key = "data.root" if sounds.is_dir() else "data.manifest"
    given = {
        key: str(sounds),
        "run.name": name or sounds.resolve().stem,
        "model.path": model,
        "data.group_pattern": groups,
        "data.limit": limit,
    }
    return [f"{name}={value}" for name, value in given.items() if value is not None]
