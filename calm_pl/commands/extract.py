"""`extract`: encode clips into the head bank, so that later runs need neither model nor sound."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from calm_pl.commands.arguments import add_config_arguments, parser
from calm_pl.config.compose import load_config, to_yaml
from calm_pl.config.schema import Config
from calm_pl.errors import ConfigError
from calm_pl.jobs.lightning_imports import import_lightning
from calm_pl.jobs.paths import require_paths
from calm_pl.jobs.stopping import end_with_parent

_EXAMPLES = """\
  {program} --config esc50.yaml data.root=/data/ESC-50
  {program} --config esc50.yaml data.root=/data/ESC-50 --only-drawn data.shots=5 data.draws=20
  {program} --config vggsound.yaml data.root=/data/VGGSound trainer.devices=8 bank.dir=/scratch/bank
"""


def run(argv: Sequence[str], program: str, debug: bool) -> int:
    """The command; see `main`."""
    command = parser(
        program,
        "Encode every clip of a benchmark into the head bank: pool and query, each with its question. Clips\n"
        "that are there already are skipped, so the same command goes on where an earlier one ended.",
        _EXAMPLES,
    )
    add_config_arguments(command)
    command.add_argument(
        "--only-drawn",
        action="store_true",
        help="encode the clips that fit-free would draw, not the whole pool",
    )
    args = command.parse_intermixed_args(list(argv))
    if not args.config and not args.overrides:
        command.error("give a configuration, as in --config esc50.yaml")
    config = load_config(args.config, args.overrides)
    if args.print_config:
        print(to_yaml(config), end="")
        return 0
    if config.bank.dir is None:
        raise ConfigError(["bank.dir: must be a folder to extract into, but is null"])
    if not args.only_drawn:
        whole = dataclasses.replace(config.data, shots=None, draws=1, heldout_shots=0)
        config = dataclasses.replace(config, data=whole)
    extract(config, quiet=not debug)
    return 0


def extract(config: Config, quiet: bool = True) -> None:
    """Run the job on this process, or on the ranks that Lightning starts.

    Raises:
        CalmError: anything the user can mend.
    """
    require_paths(config)
    import_lightning(quiet)
    from calm_pl.commands.fit_free import run_stages
    from calm_pl.evaluation.clip_counts import SkipPolicy
    from calm_pl.evaluation.module import FitFreeModule
    from calm_pl.jobs.job import (
        build_data,
        build_model,
        build_trainer,
        keeps_hidden,
        open_bank,
        open_record,
        scored_by,
    )

    end_with_parent()
    config = dataclasses.replace(
        config,
        callbacks=["progress"],
        wandb=dataclasses.replace(config.wandb, mode="disabled"),
    )
    record = open_record(config)
    data = build_data(config)
    lalm = build_model(config)
    data.preparer = lalm.preparer
    data.bank = open_bank(config, lalm)
    policy = SkipPolicy(config.data.on_bad_clip == "skip", config.data.max_skipped_fraction)
    # Letters come with every pass; the other ways need to be asked for.
    answers = None if scored_by(config) == "letters" else config.zero_shot
    module = FitFreeModule(lalm, {}, data.task(), answers, policy, keeps_hidden(config))
    trainer = build_trainer(config, record)
    run_stages(trainer, module, data)
    if trainer.is_global_zero:
        known = sum(loader.num_banked for loader in data.loaders.values())
        total = len(data.support) + len(data.query)
        print(f"{total:,} questions, {known:,} of them in the bank before. Bank: {config.bank.dir}")
        for name, coverage in (("pool", module.support_coverage), ("query", module.query_coverage)):
            for failure in coverage.failures:
                print(f"{name}: {failure.reason}")
