"""`fit-free`: fit every method on the support clips, evaluate it on the query clips."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from calm_pl.commands.arguments import add_config_arguments, parser
from calm_pl.config.compose import load_config, to_yaml
from calm_pl.config.schema import PRIOR_METHOD, Config
from calm_pl.errors import ConfigError, DataError, RunError, StoppedRunError
from calm_pl.jobs.lightning_imports import import_lightning
from calm_pl.jobs.paths import require_paths
from calm_pl.jobs.stopping import StoppedError, end_with_parent, stoppable

if TYPE_CHECKING:
    from lightning.pytorch import Callback, LightningModule, Trainer

    from calm_pl.data.loading.base import FewShotDataModule
    from calm_pl.evaluation.module import FitFreeModule

_EXAMPLES = """\
  {program} --config demo.yaml
  {program} --config esc50.yaml data.root=/data/ESC-50
  {program} --config esc50.yaml data.root=/data/ESC-50 data.fold=2 data.shots=10 voter.tau_p=0.1
  {program} --config esc50.yaml data.root=/data/ESC-50 trainer.devices=8
  {program} --config esc50.yaml --config mine.yaml --print-config
"""


def run(argv: Sequence[str], program: str, debug: bool) -> int:
    """The command; see `main`."""
    command = parser(
        program,
        "Build a classifier from a frozen audio language model and a few labelled clips a class,\n"
        "without training, and evaluate it beside zero-shot prompting.",
        _EXAMPLES,
    )
    add_config_arguments(command)
    args = command.parse_intermixed_args(list(argv))
    if not args.config and not args.overrides:
        command.error("give a configuration, as in --config demo.yaml")
    config = load_config(args.config, args.overrides)
    if args.print_config:
        print(to_yaml(config), end="")
        return 0
    fit_free(config, quiet=not debug)
    return 0


def fit_free(config: Config, quiet: bool = True) -> None:
    """Run a job on this process, or on the ranks that Lightning starts.

    Raises:
        CalmError: anything the user can mend.
    """
    require_paths(config)
    import_lightning(quiet)
    from calm_pl.evaluation.clip_counts import SkipPolicy
    from calm_pl.evaluation.module import FitFreeModule
    from calm_pl.jobs.job import (
        build_data,
        build_model,
        build_pseudo,
        build_trainer,
        open_bank,
        open_record,
        voters_of,
    )
    from calm_pl.report.terminal import print_results

    end_with_parent()
    record = open_record(config)
    data = build_data(config)  # first: a wrong root shows in a moment, a 7B takes a minute to load
    lalm = build_model(config)
    data.preparer = lalm.preparer
    refuse_no_options(config, data)
    if config.voter.select == "oracle" and config.bank.dir is None:
        raise ConfigError(["voter.select: oracle reads the query twice and needs a bank; bank.dir is null"])
    data.bank = open_bank(config, lalm)
    task = data.task()
    module = FitFreeModule(
        lalm,
        voters_of(config),
        task,
        zero_shot=config.zero_shot if "zero_shot" in config.methods else None,
        policy=SkipPolicy(config.data.on_bad_clip == "skip", config.data.max_skipped_fraction),
        oracle=config.voter.select == "oracle",
        pseudo=build_pseudo(config, data, task, voters_of(config)),
        prior=PRIOR_METHOD in config.methods,
    )
    record.load_seconds = time.perf_counter() - record.started
    trainer = build_trainer(config, record)
    module = cast(FitFreeModule, run_stages(trainer, module, data))
    if trainer.is_global_zero:
        finish_dashboards(trainer)
        print_results(module, data, record)


def finish_dashboards(trainer: Trainer) -> None:
    """Have Weights & Biases write all it was given, now rather than when the process ends."""
    from lightning.pytorch.loggers import WandbLogger

    for logger in trainer.loggers:
        if isinstance(logger, WandbLogger):
            logger.experiment.finish()


def refuse_no_options(config: Config, data: FewShotDataModule) -> None:
    """Zero-shot needs options; questions that came with the clips may have none.

    Raises:
        DataError: names the first such clip.
    """
    without = [query for query in data.query if len(query.options) < 2]
    if without and "zero_shot" in config.methods:
        raise DataError(
            f"{len(without)} of {len(data.query)} questions have no options to choose from, such as the one"
            f" about {without[0].clip.id}: leave zero_shot out of methods."
        )


def run_stages(
    trainer: Trainer, module: LightningModule, data: FewShotDataModule, evaluate: bool = True
) -> LightningModule:
    """Fit on the support, then score the query where it is to be evaluated; returns the module that did.

    Raises:
        CalmError: anything the user can mend; also where a signal ended the job, and how to go on then.
    """
    from calm_pl.evaluation.module import FitFreeModule

    try:
        with stoppable(), told_plainly(trainer):
            trainer.validate(module, datamodule=data, verbose=False)
            if evaluate and isinstance(module, FitFreeModule) and module.searches:
                module = with_oracle(trainer, module, data)
            if evaluate:
                trainer.test(module, datamodule=data, verbose=False)
            return module
    except StoppedError as stop:
        if data.bank is None:
            kept = "Nothing was kept, since bank.dir is null"
        else:
            kept = f"What was encoded is in {data.bank.bank.folder}; the same command goes on from there"
        raise StoppedRunError(f"Stopped by {stop}. {kept}.", stop.signal) from None
    finally:
        if data.bank is not None:
            data.bank.bank.close()


def with_oracle(trainer: Trainer, module: FitFreeModule, data: FewShotDataModule) -> FitFreeModule:
    """Read the query once to choose settings on it; the records wait for the results."""
    from lightning.pytorch.callbacks import ProgressBar

    from calm_pl.evaluation.oracle import OraclePass

    search = OraclePass(module)
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    waiting = [callback for callback in callbacks if not isinstance(callback, ProgressBar)]
    for callback in waiting:
        callbacks.remove(callback)
    trainer.test(search, datamodule=data, verbose=False)
    callbacks.extend(waiting)
    return search.extended()


@contextmanager
def told_plainly(trainer: Trainer) -> Iterator[None]:
    """Turn what Lightning, ranks and Weights & Biases raise for known reasons into errors for the user."""
    from calm_pl.distributed import lost_another_rank

    try:
        yield
    except SystemExit as stop:
        # Lightning answers Ctrl-C with an exit of its own.
        raise (KeyboardInterrupt if trainer.interrupted else stop) from None
    except Exception as error:
        if type(error).__module__.startswith("wandb."):
            raise RunError(f"Weights & Biases: {error} (wandb.mode=offline needs no account.)") from error
        if trainer.world_size > 1 and lost_another_rank(error):
            raise RunError(
                f"Rank {trainer.global_rank} stopped because another rank did; its message says why."
            ) from error
        raise
