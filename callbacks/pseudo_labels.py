"""`pseudo_labels.csv`, `rejected.csv`: the model's labels of the support, and reasons for rejections."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer

from calm_pl.atomic_files import replacing, write_text
from calm_pl.cells import guarded_rows
from calm_pl.data.loading.base import FewShotDataModule
from calm_pl.evaluation.module import FitFreeModule
from calm_pl.evaluation.pseudo_labelled import pseudo_fit
from calm_pl.jobs.record import JobRecord
from calm_pl.pseudo.reporting import kept_rows, rejected_rows, summary


class PseudoLabelWriter(Callback):
    """Write the pseudo-labels of a `FitFreeModule`, if any, once the support is fitted, on rank 0.

    Args:
        run_dir: folder for the two files, `pseudo_labels.json` (the entry of `results.json`) and
            `config.yaml`.
        config_yaml: the resolved configuration.
    """

    def __init__(self, run_dir: str | Path, config_yaml: str = "") -> None:
        self.run_dir = Path(run_dir)
        self.config_yaml = config_yaml

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the files; each appears under its name only when complete."""
        assert isinstance(pl_module, FitFreeModule)
        fit = pseudo_fit(pl_module.sources)
        if not trainer.is_global_zero or fit is None:
            return
        data: FewShotDataModule = trainer.datamodule  # type: ignore[attr-defined]
        failures = {one.position: one.reason for one in pl_module.support_coverage.failures}
        for name, rows in (
            ("pseudo_labels.csv", kept_rows(fit, data.root)),
            ("rejected.csv", rejected_rows(fit, data.root, failures)),
        ):
            with replacing(self.run_dir / name) as part, part.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file, lineterminator="\n").writerows(guarded_rows(rows))
        for name, text in (
            ("pseudo_labels.json", json.dumps(summary(fit), indent=2) + "\n"),
            ("config.yaml", self.config_yaml),
        ):
            write_text(self.run_dir / name, text)


def from_record(record: JobRecord) -> PseudoLabelWriter:
    """Create the callback for a command-line job."""
    return PseudoLabelWriter(record.run_dir, record.config_yaml)
