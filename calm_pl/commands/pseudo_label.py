"""`pseudo-label`: label clips with the frozen model's sampled answers, and write them as lists."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
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
from calm_pl.jobs.pseudo_label import label_clips

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
    found = label_clips(config, args.unlabelled, quiet=not debug)
    if found is not None:
        print_labels(found.fit, found.job.data, found.job.record)
        for line in found.remarks:
            print(line)
    return 0


def _load(files: Sequence[str], overrides: Sequence[str]) -> Config:
    return load_config(files, [*overrides, "data.support_labels=pseudo"])


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
