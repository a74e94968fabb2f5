"""The parts of a job, each made from its configuration: data, model, bank, voters, pseudo-labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from calm_pl.config.schema import Config, ModelConfig
from calm_pl.errors import ConfigError, DataError
from calm_pl.jobs.launched import processes_here
from calm_pl.jobs.record import is_rank_zero
from calm_pl.methods import METHODS, Reads
from calm_pl.methods.build import build_voters
from calm_pl.models.clap_facts import is_clap
from calm_pl.progress import say

if TYPE_CHECKING:
    from calm_pl.data.loading.banked import BankLink
    from calm_pl.data.loading.base import FewShotDataModule
    from calm_pl.data.questions.task import Task
    from calm_pl.evaluation.kept import Kept
    from calm_pl.models import FrozenLALM
    from calm_pl.models.deferred import DeferredLALM, LoadArguments
    from calm_pl.pseudo.fitting import PseudoFit
    from calm_pl.voters import HeadVoter

_ONE_VECTOR = (Reads.OPTIONS, Reads.HEADS)


def build_model(config: Config) -> DeferredLALM:
    """Build the frozen model; its weights are loaded when they are needed."""
    from calm_pl.models.deferred import DeferredLALM

    memory = Path(config.bank.dir).expanduser() / "models" if config.bank.dir else None
    processes = processes_here(config.trainer)
    return DeferredLALM(
        load_arguments(config.model), memory, config.model.self_check, teller(config), processes
    )


def teller(config: Config) -> Callable[[str], None] | None:
    """Return what prints a line per phase; None on other ranks, and where progress is turned off."""
    shown = config.trainer.enable_progress_bar and "progress" in config.callbacks
    return say if shown and is_rank_zero() else None


def load_arguments(model: ModelConfig) -> LoadArguments:
    """Return how the configured model is loaded."""
    from calm_pl.models.deferred import LoadArguments

    return LoadArguments(**{field.name: getattr(model, field.name) for field in fields(LoadArguments)})


def build_data(config: Config) -> FewShotDataModule:
    """Read the benchmark's split; its `preparer` is still to be set."""
    from calm_pl.data import benchmark_class
    from calm_pl.data.loading.base import FewShotDataModule

    data = FewShotDataModule(benchmark_class(config.data.benchmark)(config.data))
    data.prepare()
    return data


def open_bank(config: Config, lalm: DeferredLALM | FrozenLALM) -> BankLink | None:
    """Open the head bank for this model, if one is configured."""
    if config.bank.dir is None:
        return None
    import torch

    from calm_pl.bank import ContentIndex, HeadBank
    from calm_pl.data.loading.banked import BankLink

    folder = Path(config.bank.dir).expanduser()
    dtype = getattr(torch, config.bank.dtype) if config.bank.dtype else None
    identity = lalm.identity()
    mode = scored_by(config)
    # A CLAP model scores options in one way, which its class implies.
    if not is_clap(lalm.identity()) and (mode != "letters" or config.data.option_orders > 1):
        identity = identity | {"options": [mode, config.data.option_orders]}
    parts = kept(config)
    if parts.hidden:
        identity = identity | {"hidden": True}
    if parts.tower:
        identity = identity | {"tower": "mean, standard deviation"}
    return BankLink(HeadBank(folder, dtype), ContentIndex(folder / "content"), identity)


def refuse_no_options(config: Config, data: FewShotDataModule) -> None:
    """Make sure that zero-shot has options; questions that came with the clips may have none.

    Raises:
        DataError: names the first such clip.
    """
    without = [query for query in data.query if len(query.options) < 2]
    if without and "zero_shot" in config.methods:
        raise DataError(
            f"{len(without)} of {len(data.query)} questions have no options to choose from, such as the one"
            f" about {without[0].clip.id}: leave zero_shot out of methods."
        )


def refuse_for_model(config: Config, lalm: DeferredLALM | FrozenLALM) -> None:
    """Make sure that a model is asked for nothing that only models of the other kind have.

    Raises:
        ConfigError: all settings of audio language models, of a CLAP model, and methods that work; or methods
            that need a CLAP model.
    """
    faults = _clap_faults(config) if is_clap(lalm.identity()) else []
    texts = [row.key for row in METHODS if row.needs_texts and row.key in config.methods]
    if texts and not is_clap(lalm.identity()):
        faults = [
            f"methods: {', '.join(texts)} can only be evaluated with a CLAP model, which has sentences about"
            " classes in the space of its sound"
        ]
    if faults:
        raise ConfigError(faults)


def _clap_faults(config: Config) -> list[str]:
    works = [row.key for row in METHODS if row.reads in _ONE_VECTOR and not row.needs_heads]
    wrong = [name for name in config.methods if name not in works]
    faults = []
    if wrong:
        faults.append(
            f"methods: {', '.join(wrong)} cannot be evaluated with a CLAP model, which gives one vector per"
            f" clip and no heads; choose among {', '.join(works)}"
        )
    if config.data.support_labels == "pseudo":
        faults.append("data.support_labels: must be truth with a CLAP model, which writes no answers")
    if config.data.option_orders > 1:
        faults.append(
            "data.option_orders: must be 1 with a CLAP model, which compares each option by itself, but is"
            f" {config.data.option_orders}"
        )
    if "zero_shot" in config.methods and config.zero_shot == "generate":
        faults.append("zero_shot: must not be generate with a CLAP model, which writes no answers")
    return faults


def scored_by(config: Config) -> str:
    """Return how options are scored in every pass; by letters, at no cost, if zero-shot is not a method."""
    return config.zero_shot if "zero_shot" in config.methods else "letters"


def kept(config: Config) -> Kept:
    """Return what configured methods read besides head vectors."""
    from calm_pl.evaluation.kept import Kept

    return Kept.for_reads(METHODS[name].reads for name in config.methods)


def voters_of(config: Config) -> dict[str, HeadVoter]:
    """Return unfitted voters of the configured methods, in the order of the table.

    Raises:
        RunError: a method whose package is not installed.
    """
    # An oracle's row stands beside that of the settings chosen on the support.
    select = "loo" if config.voter.select == "oracle" else config.voter.select
    return build_voters(config.methods, replace(config, voter=replace(config.voter, select=select)))


def build_pseudo(
    config: Config, data: FewShotDataModule, task: Task, voters: dict[str, HeadVoter]
) -> PseudoFit | None:
    """Build the pseudo-labeller of the support, if configured; its answers are cached in the bank.

    Voters on anything else are left out: pseudo-labels are for heads.

    Raises:
        DataError: a support question without options.
    """
    if config.data.support_labels != "pseudo":
        return None
    from calm_pl.data.loading.answered import AnswerLink
    from calm_pl.pseudo.fitting import PseudoFit
    from calm_pl.pseudo.sampling import sampling_settings

    without = [query for query in task.support if len(query.options) < 2]
    if without:
        raise DataError(
            f"{len(without)} of {len(task.support)} support questions have no options to vote on, such as the"
            f" one about {without[0].clip.id}: pseudo-labels need them."
        )
    if data.bank is not None:
        folder = data.bank.bank.folder / "answers"
        data.answers = AnswerLink(folder, sampling_settings(config.pseudo), data.bank.identity)
    on_heads = {name: voter for name, voter in voters.items() if voter.reads == Reads.HEADS.value}
    return PseudoFit(config.pseudo, task, on_heads, data.answers)
