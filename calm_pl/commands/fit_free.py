"""`fit-free`: fit every method on the support clips, evaluate it on the query clips."""

from __future__ import annotations

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
from calm_pl.jobs.fit_free import fit_free

_EXAMPLES = """\
  {program} --config demo.yaml
  {program} --config esc50.yaml data.root=/data/ESC-50
  {program} --config esc50.yaml data.root=/data/ESC-50 data.fold=2 data.shots=10 voter.tau_p=0.1
  {program} --config esc50.yaml data.root=/data/ESC-50 trainer.devices=8
  {program} --config esc50.yaml --config mine.yaml --print-config
"""


def run(argv: Sequence[str], program: str, debug: bool) -> int:
    """Run the command; see `main`."""
    command = parser(
        program,
        "Build classifiers from a frozen audio language model and a few labelled clips per class, without\n"
        "training, and compare them with zero-shot prompting.",
        _EXAMPLES,
    )
    add_config_arguments(command)
    add_limit_argument(command)
    add_dry_run_argument(command)
    args, config = read_config(command, argv, load_config)
    if config is None:
        return 0
    if args.dry_run:
        return dry_run(config)
    fit_free(config, quiet=not debug)
    return 0
