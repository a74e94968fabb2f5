"""`extract`: encode clips into the head bank, so that later runs need neither the model nor the audio."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

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
from calm_pl.errors import ConfigError
from calm_pl.jobs.opened import opened, with_callbacks
from calm_pl.jobs.parts import kept, scored_by

_EXAMPLES = """\
  {program} --config esc50.yaml data.root=/data/ESC-50
  {program} --config esc50.yaml data.root=/data/ESC-50 --only-drawn data.shots=5 data.draws=20
  {program} --config vggsound.yaml data.root=/data/VGGSound trainer.devices=8 bank.dir=/scratch/bank
"""


def run(argv: Sequence[str], program: str, debug: bool) -> int:
    """Run the command; see `main`."""
    command = parser(
        program,
        "Encode every clip of a benchmark into the head bank: pool and query, each with its question. Clips\n"
        "that are already in the bank are skipped, so run the same command again to resume.",
        _EXAMPLES,
    )
    add_config_arguments(command)
    add_limit_argument(command)
    add_dry_run_argument(command)
    command.add_argument(
        "--only-drawn",
        action="store_true",
        help="encode the clips that fit-free would draw, not the whole pool",
    )
    args, config = read_config(command, argv, load_config, "--config esc50.yaml")
    if config is None:
        return 0
    if config.bank.dir is None:
        raise ConfigError(["bank.dir: must be a folder to extract into, but is null"])
    if not args.only_drawn:
        whole = dataclasses.replace(config.data, shots=None, draws=1, heldout_shots=0)
        config = dataclasses.replace(config, data=whole)
    if args.dry_run:
        return dry_run(config)
    extract(config, quiet=not debug)
    return 0


def extract(config: Config, quiet: bool = True) -> None:
    """Run the job on this process, or on the ranks that Lightning starts.

    Raises:
        CalmError: anything the user can fix.
    """
    with opened(with_callbacks(config, "progress"), quiet, lock=False) as job:
        from calm_pl.evaluation.module import FitFreeModule
        from calm_pl.evaluation.odd_clips import num_unjudged, odd_clips, sentences

        keep, scored = kept(config), scored_by(config)
        module = FitFreeModule(job.lalm, [], job.data.task(), job.policy, keep, scored)
        if not job.run(module):
            return
        known = sum(loader.num_banked for loader in job.data.loaders.values())
        total = len(job.data.support) + len(job.data.query)
        print(f"{total:,} questions, {known:,} of them already cached. Bank: {config.bank.dir}")
        for name, coverage in (("pool", module.support_coverage), ("query", module.query_coverage)):
            for reason in dict.fromkeys(failure.reason for failure in coverage.failures):
                print(f"{name}: {reason}")
        support, query = module.support_coverage, module.query_coverage
        unjudged = num_unjudged(module.task, support, query)
        for line in sentences(odd_clips(module.task, support, query), unjudged, file=""):
            print(line)
