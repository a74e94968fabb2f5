"""What Weights & Biases gets beside the metrics: configuration, predictions table, confusion matrices."""

from __future__ import annotations

from typing import Any

import yaml
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import WandbLogger

from calm_pl.commands.job import JobRecord
from calm_pl.module import FitFreeModule

from .predictions import prediction_rows


class WandbTables(Callback):
    """Logs to the Trainer's `WandbLogger`, on rank 0; without one it does nothing.

    Args:
        config_yaml: the resolved configuration.
    """

    def __init__(self, config_yaml: str = "") -> None:
        self.config: dict[str, Any] = yaml.safe_load(config_yaml) or {}

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log everything once."""
        logger = next((one for one in trainer.loggers if isinstance(one, WandbLogger)), None)
        if logger is None or not trainer.is_global_zero:
            return
        import wandb

        assert isinstance(pl_module, FitFreeModule)
        run = logger.experiment
        run.config.update(self.config, allow_val_change=True)
        header, *rows = prediction_rows(pl_module)
        run.log({"test/predictions": wandb.Table(columns=list(header), data=rows)})
        for name, result in pl_module.results.items():
            table = wandb.Table(columns=["truth", "predicted", "clips"])
            answers = [*pl_module.task.classes, "no answer"]
            for truth, predicted in zip(*result.confusion_CC.nonzero(), strict=True):
                count = float(result.confusion_CC[truth, predicted])
                table.add_data(answers[truth], answers[predicted], count)
            run.log({f"test/{name}/confusion": table})


def from_record(record: JobRecord) -> WandbTables:
    """For a job of the command line."""
    return WandbTables(record.config_yaml)
