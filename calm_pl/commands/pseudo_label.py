"""`pseudo-label`: label clips with the frozen model's sampled answers, and write them as lists."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from calm_pl.commands.arguments import (
    add_config_arguments,
    add_dry_run_argument,
    add_limit_argument,
    parser,
    read_config,
)
from calm_pl.commands.checklist import dry_run
from calm_pl.config.compose import load_config
from calm_pl.config.schema import Config
from calm_pl.jobs.opened import opened, with_callbacks
from calm_pl.jobs.parts import build_pseudo, kept, scored_by, voters_of
from calm_pl.jobs.paths import find_files

if TYPE_CHECKING:
    from calm_pl.data.loading.base import FewShotDataModule
    from calm_pl.jobs.record import JobRecord
    from calm_pl.pseudo.fitting import PseudoFit

_EXAMPLES = """\
  {program} --config esc50.yaml data.root=/data/ESC-50
  {program} --config esc50.yaml data.root=/data/ESC-50 --whole-pool pseudo.min_agreement=0.7
  {program} --config esc50.yaml data.root=/data/ESC-50 --unlabelled recordings/ pseudo.rounds=2
"""


def run(argv: Sequence[str], program: str, debug: bool) -> int:
    """Run the command; see `main`."""
    command = parser(
        program,
        "Label the support clips of a benchmark, or your own clips, by majority vote over sampled answers\n"
        "of the model. Writes pseudo_labels.csv, which data.benchmark=manifest reads, and rejected.csv with\n"
        "reasons. Answers are cached in the bank, so that another threshold needs no new sampling.",
        _EXAMPLES,
    )
    add_config_arguments(command)
    add_limit_argument(command)
    add_dry_run_argument(command)
    what = command.add_mutually_exclusive_group()
    what.add_argument(
        "--whole-pool",
        action="store_true",
        help="label every clip of the support pool, not only data.shots per class",
    )
    what.add_argument(
        "--unlabelled",
        action="append",
        metavar="PATH",
        help="label these audio files, or those in this folder, instead; every class is then an option."
        " May be repeated",
    )
    args, config = read_config(command, argv, _load, "--config esc50.yaml")
    if config is None:
        return 0
    if args.whole_pool:
        whole = dataclasses.replace(config.data, shots=None, draws=1, heldout_shots=0)
        config = dataclasses.replace(config, data=whole)
    if args.dry_run:
        return dry_run(config)
    pseudo_label(config, args.unlabelled, quiet=not debug)
    return 0


def pseudo_label(config: Config, unlabelled: Sequence[str] | None = None, quiet: bool = True) -> None:
    """Run the job on this process, or on the ranks that Lightning starts.

    Args:
        config: the configuration, with `data.support_labels` set to `pseudo`.
        unlabelled: files and folders to label instead of the support.
        quiet: whether to hide deprecations.

    Raises:
        CalmError: anything the user can fix.
    """
    with opened(
        with_callbacks(config, "progress", "pseudo_labels"),
        quiet,
        prepare=lambda data: take_files(data, unlabelled) if unlabelled else None,
    ) as job:
        from calm_pl.evaluation.module import FitFreeModule
        from calm_pl.evaluation.odd_clips import num_unjudged, odd_clips, sentences
        from calm_pl.evaluation.pseudo_labelled import PseudoLabelled
        from calm_pl.pseudo.settings import JUDGE

        task = job.data.task()
        voters = {JUDGE: voters_of(config)[JUDGE]} if config.pseudo.rounds else {}
        pseudo = build_pseudo(config, job.data, task, voters)
        assert pseudo is not None
        # Scores are stored with the vectors, so they must be those that the bank's keys stand for.
        keep, scored = kept(config), scored_by(config)
        sources = [PseudoLabelled(pseudo)]
        module = FitFreeModule(job.lalm, [], task, job.policy, keep, scored, sources)
        if job.run(module, evaluate=False):
            print_labels(pseudo, job.data, job.record)
            support = module.support_coverage
            for line in sentences(odd_clips(task, support), num_unjudged(task, support), file=""):
                print(line)


def _load(files: Sequence[str], overrides: Sequence[str]) -> Config:
    return load_config(files, [*overrides, "data.support_labels=pseudo"])


def take_files(data: FewShotDataModule, paths: Sequence[str]) -> None:
    """Replace the support by unlabelled files, with every class among their options.

    Raises:
        DataError: no such file, a folder without audio, or more classes than option letters.
    """
    from calm_pl.data.questions.clips import Clip, Round
    from calm_pl.data.questions.prompts import Questioner

    files = sorted({path.absolute() for path in find_files(paths)})
    data.root = Path(os.path.commonpath([path.parent for path in files]))
    s = data.settings
    ask = Questioner(data.classes, data.benchmark.question, len(data.classes), s.seed, s.readable_labels).ask
    clips = [Clip(path.relative_to(data.root).as_posix(), path, (), ()) for path in files]
    data.support = [ask(clip, None) for clip in clips]
    data.query = []
    data.rounds = [Round("", 0, tuple(range(len(clips))), (), ())]


def print_labels(fit: PseudoFit, data: FewShotDataModule, record: JobRecord) -> None:
    """Print the outcomes of the clips, and the share of correct votes if it is known."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from calm_pl.data.questions.counting import unit
    from calm_pl.metrics.cells import percent
    from calm_pl.pseudo.reporting import outcomes, sentences

    title = f"{record.benchmark} · {record.model_path} · pseudo-labels"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for number, head in enumerate(("outcome", unit(fit.task.support), "%", "vote right, %")):
        table.add_column(head, justify="right" if number else "left", no_wrap=True)
    for one in outcomes(fit):
        share = percent(one.clips / len(fit.task.support))
        table.add_row(one.name, f"{one.clips:,}", share, percent(one.accuracy))
    console = Console()
    console.print(table)
    for line in sentences(fit):
        console.print(line, highlight=False)
    path = record.run_dir / "pseudo_labels.csv"
    console.print(f"Labels: {path}; rejected clips: rejected.csv", highlight=False, soft_wrap=True)
    console.print(
        f"To fit on these labels: data.benchmark=manifest data.manifest={path} data.root={data.root}"
        " data.query_manifest=YOUR_QUERY.csv data.shots=null",
        highlight=False,
        soft_wrap=True,
    )
