"""What Weights & Biases gets beside the metrics: configuration, predictions, confusion matrices, figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import WandbLogger

from calm_pl.commands.job import JobRecord
from calm_pl.module import FitFreeModule

from .figures import FigureWriter
from .predictions import prediction_rows


class WandbTables(Callback):
    """Logs to the Trainer's `WandbLogger`, on rank 0; without one it does nothing.

    Args:
        config_yaml: the resolved configuration.
        figures: folder that `FigureWriter` drew into, before this callback's turn; None, or one without
            figures of this run, logs none.
    """

    def __init__(self, config_yaml: str = "", figures: Path | None = None) -> None:
        self.config: dict[str, Any] = yaml.safe_load(config_yaml) or {}
        self.figures = figures

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
        drawn = any(isinstance(one, FigureWriter) for one in trainer.callbacks)  # type: ignore[attr-defined]
        if self.figures is not None and drawn:
            from calm_pl.figures.folder import read_index

            for entry in read_index(self.figures)["figures"]:
                picture = wandb.Image(str(self.figures / entry["files"]["png"]), caption=entry["caption"])
                run.log({f"figures/{entry['name']}": picture})


def from_record(record: JobRecord) -> WandbTables:
    """For a job of the command line."""
    return WandbTables(record.config_yaml, record.run_dir / "figures")
