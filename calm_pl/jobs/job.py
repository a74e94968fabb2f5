"""From a configuration to the parts of a job: model, data, voters, trainer, run folder."""

from __future__ import annotations

import importlib
import json
import tempfile
import time
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from calm_pl.config.compose import config_hash, to_yaml
from calm_pl.config.schema import Config
from calm_pl.errors import DataError, RunError
from calm_pl.masks.settings import MaskConfig
from calm_pl.methods import METHODS, Reads
from calm_pl.methods.build import build_voters

if TYPE_CHECKING:
    from lightning.pytorch import Callback, Trainer
    from lightning.pytorch.loggers import WandbLogger

    from calm_pl.data.loading.banked import BankLink
    from calm_pl.data.loading.base import FewShotDataModule
    from calm_pl.data.questions.task import Task
    from calm_pl.models.deferred import DeferredLALM, LoadArguments
    from calm_pl.pseudo.fitting import PseudoFit
    from calm_pl.voters import HeadVoter


@dataclass
class JobRecord:
    """What a job's records say about it.

    Attributes:
        run_dir: where they go.
        benchmark: name of the benchmark.
        model_path: as configured.
        config_yaml: the resolved configuration.
        config_hash: over what can change results.
        load_seconds: time to load model and data tables.
        started: `time.perf_counter()` at the start.
    """

    run_dir: Path
    benchmark: str
    model_path: str
    config_yaml: str
    config_hash: str
    load_seconds: float = 0.0
    started: float = 0.0


def open_record(config: Config) -> JobRecord:
    """Choose the run folder and make sure that results can be written there.

    Raises:
        RunError: it cannot be written, or holds the results of another configuration.
    """
    digest = config_hash(config)
    model = Path(config.model.path.removeprefix("bundled:")).name
    name = config.run.name or f"{config.data.benchmark}-{model}-{digest[:8]}"
    run_dir = Path(config.run.dir or Path("runs") / name)
    record = JobRecord(run_dir, config.data.benchmark, config.model.path, to_yaml(config), digest)
    record.started = time.perf_counter()
    if is_rank_zero():
        claim_folder(run_dir, digest, config.run.overwrite)
    return record


def claim_folder(run_dir: Path, digest: str, overwrite: bool) -> None:
    """Make sure that results can be written to a run folder.

    Args:
        run_dir: the folder.
        digest: hash of the configuration.
        overwrite: let the results of another configuration be replaced.

    Raises:
        RunError: it cannot be written, or holds the results of another configuration.
    """
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=run_dir):
            pass
    except OSError as error:
        raise RunError(
            f"The run folder {str(run_dir)!r} cannot be written: {error.strerror}."
            " Choose another with run.dir=FOLDER."
        ) from error
    other = hash_of_results(run_dir / "results.json")
    if other not in (None, digest) and not overwrite:
        raise RunError(
            f"{run_dir} holds the results of another configuration (hash {str(other)[:8]}, this one"
            f" {digest[:8]}). Choose another run.dir, or set run.overwrite=true."
        )


def build_model(config: Config) -> DeferredLALM:
    """The frozen model; its weights are loaded when they are needed."""
    from calm_pl.models.deferred import DeferredLALM

    memory = Path(config.bank.dir).expanduser() / "models" if config.bank.dir else None
    return DeferredLALM(load_arguments(config), memory, config.model.self_check)


def load_arguments(config: Config | MaskConfig) -> LoadArguments:
    """How the configured model is loaded."""
    from calm_pl.models.deferred import LoadArguments

    return LoadArguments(**{field.name: getattr(config.model, field.name) for field in fields(LoadArguments)})


def build_data(config: Config) -> FewShotDataModule:
    """Read the benchmark's split; its `preparer` is still to be set."""
    from calm_pl.data import benchmark_class

    data = benchmark_class(config.data.benchmark)(config.data)
    data.prepare()
    return data


def open_bank(config: Config, lalm: DeferredLALM) -> BankLink | None:
    """The head bank for this model, where one is configured."""
    if config.bank.dir is None:
        return None
    import torch

    from calm_pl.bank import ContentIndex, HeadBank
    from calm_pl.data.loading.banked import BankLink

    folder = Path(config.bank.dir).expanduser()
    dtype = getattr(torch, config.bank.dtype) if config.bank.dtype else None
    identity = lalm.identity()
    mode = scored_by(config)
    if mode != "letters" or config.data.option_orders > 1:
        identity = identity | {"options": [mode, config.data.option_orders]}
    if keeps_hidden(config):
        identity = identity | {"hidden": True}
    return BankLink(HeadBank(folder, dtype), ContentIndex(folder / "content"), identity)


def scored_by(config: Config) -> str:
    """How options are scored in every pass; by letters, which cost nothing, where zero-shot is no method."""
    return config.zero_shot if "zero_shot" in config.methods else "letters"


def keeps_hidden(config: Config) -> bool:
    """Whether a configured method reads the hidden states of the last layer."""
    return any(METHODS[name].reads is Reads.HIDDEN for name in config.methods)


def voters_of(config: Config) -> dict[str, HeadVoter]:
    """Unfitted voters of the configured methods, in the order of the table.

    Raises:
        RunError: a method whose package is not installed.
    """
    # An oracle's row stands beside that of the settings chosen on the support.
    select = "loo" if config.voter.select == "oracle" else config.voter.select
    return build_voters(config.methods, replace(config, voter=replace(config.voter, select=select)))


def build_pseudo(
    config: Config, data: FewShotDataModule, task: Task, voters: dict[str, HeadVoter]
) -> PseudoFit | None:
    """What labels the support by the model's own answers, where it is asked for; the bank keeps its answers.

    Voters on hidden states are left out: pseudo-labels are for heads.

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
    on_heads = {name: voter for name, voter in voters.items() if not voter.reads_hidden}
    return PseudoFit(config.pseudo, task, on_heads, data.answers)


def build_trainer(config: Config, record: JobRecord) -> Trainer:
    """Lightning's Trainer with the job's loggers and callbacks.

    Raises:
        RunError: settings that Lightning refuses, such as a GPU that is not there.
    """
    from lightning.fabric.utilities.exceptions import MisconfigurationException
    from lightning.pytorch import Trainer

    t = config.trainer
    try:
        return Trainer(
            accelerator=t.accelerator,
            devices=t.devices,
            num_nodes=t.num_nodes,
            strategy=t.strategy,
            # Without the callback Lightning would show bars of its own.
            enable_progress_bar=t.enable_progress_bar and "progress" in config.callbacks,
            enable_model_summary=False,
            enable_checkpointing=False,
            use_distributed_sampler=False,  # Lightning's repeats clips; the data modules bring their own
            logger=build_loggers(config, record),
            callbacks=[_build_callback(name, record) for name in _needed(config)],
        )
    except (MisconfigurationException, ValueError) as error:
        raise RunError(f"Lightning refuses the settings below trainer: {error}") from error


def _needed(config: Config) -> list[str]:
    """Callbacks in the order of their work: what reads the run folder comes after what writes it."""
    order = (
        "progress",
        "pseudo_labels",
        "predictions",
        "figures",
        "run_record",
        "report",
        "wandb_tables",
    )
    return [
        name
        for name in order
        if name in config.callbacks and (name != "progress" or config.trainer.enable_progress_bar)
    ]


def _build_callback(name: str, record: JobRecord) -> Callback:
    """A shipped callback by its file's name.

    Callbacks stand above this package: they import it, so here they are looked up rather than imported.
    """
    module = importlib.import_module(f"{_callbacks_package()}.{name}")
    return module.from_record(record)


def _callbacks_package() -> str:
    installed = Path(__file__).parent.parent / "callbacks"
    return "calm_pl.callbacks" if installed.is_dir() else "callbacks"


def build_loggers(config: Config | MaskConfig, record: JobRecord, version: str = "") -> list[Any]:
    """CSV files below `logs/`, in `version` of it, and Weights & Biases where it is not disabled."""
    from lightning.pytorch.loggers import CSVLogger

    board = build_wandb(config, record)
    return [CSVLogger(record.run_dir, name="logs", version=version), *([] if board is None else [board])]


def build_wandb(config: Config | MaskConfig, record: JobRecord) -> WandbLogger | None:
    """The job's run on Weights & Biases; None where it is disabled."""
    if config.wandb.mode == "disabled":
        return None
    import wandb
    from lightning.pytorch.loggers import WandbLogger

    wandb.setup(wandb.Settings(silent=True, mode=cast(Any, config.wandb.mode)))
    return WandbLogger(
        name=config.wandb.name or record.run_dir.name,
        save_dir=record.run_dir,
        project=config.wandb.project,
        offline=config.wandb.mode == "offline",
        tags=list(config.wandb.tags) or None,
        entity=config.wandb.entity,
        group=config.wandb.group,
    )


def hash_of_results(path: Path) -> str | None:
    """The configuration's hash in a run folder's JSON file; None where there is none."""
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["config_hash"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        return "unreadable"


def is_rank_zero() -> bool:
    """Whether this process is the one that writes and prints; known before the ranks are started."""
    from lightning.pytorch.utilities import rank_zero_only

    return getattr(rank_zero_only, "rank", 0) == 0
