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
from calm_pl.config.compose import load_config, to_yaml
from calm_pl.config.schema import Config
from calm_pl.config.suite import Suite, is_suite, load_suite
from calm_pl.jobs.fit_free import fit_free
from calm_pl.jobs.suite import run_suite

_EXAMPLES = """\
  {program} --config demo.yaml
  {program} --config esc50.yaml data.root=/data/ESC-50
  {program} --config esc50.yaml data.root=/data/ESC-50 data.fold=2 data.shots=10 voter.tau_p=0.1
  {program} --config esc50.yaml data.root=/data/ESC-50 trainer.devices=8
  {program} --config esc50.yaml --config mine.yaml --print-config
  {program} --config suites/paper.yaml data.roots.esc50=/data/ESC-50 data.roots.vggsound=/data/VGGSound
"""


def run(argv: Sequence[str], program: str, debug: bool) -> int:
    """Run the command; see `main`."""
    command = parser(
        program,
        "Build classifiers from a frozen audio language model and a few labelled clips per class, without\n"
        "training, and compare them with zero-shot prompting. A suite does so for several benchmarks and\n"
        "models: each model is loaded once, a failure does not end the others, the same command resumes.",
        _EXAMPLES,
    )
    add_config_arguments(command)
    add_limit_argument(command)
    add_dry_run_argument(command)
    args, found = read_config(command, argv, _load, show=_shown)
    if found is None:
        return 0
    if args.dry_run:
        return dry_run(*(job.config for job in found.jobs) if isinstance(found, Suite) else (found,))
    if isinstance(found, Suite):
        return run_suite(found, quiet=not debug)
    fit_free(found, quiet=not debug)
    return 0


def _load(files: Sequence[str], overrides: Sequence[str]) -> Config | Suite:
    return (load_suite if is_suite(files, overrides) else load_config)(files, overrides)


def _shown(found: Config | Suite) -> str:
    if isinstance(found, Suite):
        return "---\n".join(to_yaml(job.config) for job in found.jobs)
    return to_yaml(found)
