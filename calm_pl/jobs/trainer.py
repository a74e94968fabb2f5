"""Lightning's Trainer of a job: its loggers and callbacks."""

from __future__ import annotations

import importlib
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calm_pl.config.callbacks import CALLBACKS, SHIPPED, JobCallback
from calm_pl.config.schema import Config, TrainerConfig, WandbConfig
from calm_pl.errors import ConfigError, RunError
from calm_pl.jobs.dashboard import build_wandb
from calm_pl.jobs.hardware import refuse_silent_cpu
from calm_pl.jobs.launched import as_launched, launched
from calm_pl.jobs.record import JobRecord, run_files

if TYPE_CHECKING:
    from lightning.pytorch import Callback, Trainer


def build_trainer(config: Config, record: JobRecord) -> Trainer:
    """Return Lightning's Trainer with the job's loggers and callbacks.

    Raises:
        RunError: settings that Lightning refuses, such as a GPU that is not there.
    """
    from calm_pl.jobs.earlier_run import EarlierRun

    return trainer_on(
        config.trainer,
        # Without the callback Lightning would show bars of its own.
        enable_progress_bar=config.trainer.enable_progress_bar and "progress" in config.callbacks,
        logger=build_loggers(config.wandb, record),
        callbacks=[
            *(_build_callback(row, record) for row in _needed(config)),
            EarlierRun(record.run_dir, run_files()),
        ],
    )


def trainer_on(settings: TrainerConfig, **more: Any) -> Trainer:
    """Return Lightning's Trainer on the configured devices.

    Args:
        settings: of devices and ranks.
        more: further arguments of the Trainer.

    Raises:
        RunError: settings that Lightning refuses, such as a GPU that is not there, or another number of
            processes than torchrun or SLURM started.
    """
    from lightning.fabric.utilities.exceptions import MisconfigurationException
    from lightning.pytorch import Trainer

    settings = as_launched(settings, launched())
    refuse_silent_cpu(settings)
    try:
        return Trainer(
            accelerator=settings.accelerator,
            devices=settings.devices,
            num_nodes=settings.num_nodes,
            strategy=settings.strategy,
            enable_model_summary=False,
            enable_checkpointing=False,  # Lightning's are pickles
            use_distributed_sampler=False,  # Lightning's repeats clips; the data modules bring their own
            **more,
        )
    except (MisconfigurationException, ValueError, RuntimeError) as error:
        raise RunError(f"Lightning refuses the settings below trainer: {error}") from error


def _needed(config: Config) -> list[JobCallback]:
    """Return rows of the callbacks in the order of their work."""
    return [
        row
        for row in CALLBACKS
        if row.key in config.callbacks and (row.key != "progress" or config.trainer.enable_progress_bar)
    ]


def _build_callback(row: JobCallback, record: JobRecord) -> Callback:
    """Make a callback.

    Shipped ones stand above this package: they import it, so here they are looked up rather than imported.

    Raises:
        ConfigError: one of a plugin or another package that is not there, or is no callback.
    """
    from lightning.pytorch import Callback

    module, _, name = row.make.partition(":")
    if module.startswith(f"{SHIPPED}."):
        module = _callbacks_package() + module.removeprefix(SHIPPED)
    try:
        made = getattr(importlib.import_module(module), name)(record)
    except (ImportError, AttributeError) as error:
        raise ConfigError([f"callbacks: {row.key} cannot be made by {row.make}: {error}"]) from error
    if not isinstance(made, Callback):
        raise ConfigError([f"callbacks: {row.make} must make a Lightning Callback, but made {made!r}"])
    return made


def _callbacks_package() -> str:
    installed = Path(__file__).parent.parent / "callbacks"
    return "calm_pl.callbacks" if installed.is_dir() else "callbacks"


def build_loggers(wandb: WandbConfig, record: JobRecord, version: str = "") -> list[Any]:
    """Return loggers: CSV below `logs/VERSION`, and Weights & Biases where it is not disabled."""
    from lightning.pytorch.loggers import CSVLogger

    class LenientCSVLogger(CSVLogger):
        """Warns where its file cannot be written, such as in a folder that was removed: it only shows."""

        def save(self) -> None:
            try:
                super().save()
            except OSError as error:
                warnings.warn(f"{self.log_dir}: no metrics are logged: {error.strerror}", stacklevel=2)

    board = build_wandb(wandb, record)
    log = LenientCSVLogger(record.run_dir, name="logs", version=version)
    return [log, *([] if board is None else [board])]
