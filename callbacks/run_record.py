"""The run folder: `results.json`, `config.yaml`, `classifier.safetensors`, `skipped.csv`."""

from __future__ import annotations

import csv
import importlib.metadata
import io
import json
import platform
import time
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from calm_pl import __version__
from calm_pl.classifier import Classifier
from calm_pl.commands.job import JobRecord
from calm_pl.data.base import FewShotDataModule
from calm_pl.files import replacing
from calm_pl.module import FitFreeModule

_PACKAGES = ("torch", "transformers", "lightning", "torchmetrics", "torchaudio", "numpy")


class RunRecord(Callback):
    """Writes the records of a `FitFreeModule` after test, on rank 0; `results.json` last.

    Args:
        record: what is to be said about the job.
    """

    def __init__(self, record: JobRecord) -> None:
        self.record = record
        self._seconds: dict[str, float] = {}
        self._stage_started = 0.0

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the support's clock."""
        self._stage_started = time.perf_counter()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop it."""
        self._seconds["support"] = time.perf_counter() - self._stage_started

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the query's clock."""
        self._stage_started = time.perf_counter()

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write all files; each appears under its name only when complete."""
        self._seconds["query"] = time.perf_counter() - self._stage_started
        if not trainer.is_global_zero:
            return
        assert isinstance(pl_module, FitFreeModule)
        data: FewShotDataModule = trainer.datamodule  # type: ignore[attr-defined]
        folder = self.record.run_dir
        _write(folder / "config.yaml", self.record.config_yaml)
        _write(folder / "skipped.csv", _skipped(pl_module, data))
        if pl_module.voters:
            classifier(pl_module, data).save(folder / "classifier.safetensors")
        results = json.dumps(self._results(pl_module), indent=2) + "\n"
        _write(folder / "results.json", results)

    def _results(self, module: FitFreeModule) -> dict[str, Any]:
        support, query = module.support_coverage, module.query_coverage
        total = time.perf_counter() - self.record.started
        return {
            "benchmark": self.record.benchmark,
            "model": self.record.model_path,
            "methods": {
                name: {
                    "accuracy": result.accuracy,
                    "macro_f1": result.macro_f1,
                    "exact_match": result.exact_match,
                    "ci95": {metric: list(ends) for metric, ends in result.ci95.items()},
                    "n": result.n,
                }
                for name, result in module.results.items()
            },
            "n_support": support.used,
            "n_query": query.used,
            "n_skipped": len(support.failures) + len(query.failures),
            "n_cut": support.num_cut + query.num_cut,
            "seconds": {
                "load": round(self.record.load_seconds, 3),
                **{stage: round(seconds, 3) for stage, seconds in self._seconds.items()},
                "total": round(total, 3),
            },
            "versions": _versions(),
            "config_hash": self.record.config_hash,
        }


def classifier(module: FitFreeModule, data: FewShotDataModule) -> Classifier:
    """The fitted voters with the prompt and the model that they belong to."""
    prompt = {
        "question": data.question,
        "n_options": data.settings.n_options,
        "seed": data.settings.seed,
        "readable_labels": data.settings.readable_labels,
        "long_clips": data.settings.long_clips,
    }
    model = {"path": module.lalm.path, "identity": module.lalm.identity()}
    return Classifier(dict(module.voters), module.classes, prompt, model)


def _skipped(module: FitFreeModule, data: FewShotDataModule) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["split", "clip", "reason"])
    for split, queries, coverage in (
        ("support", data.support, module.support_coverage),
        ("query", data.query, module.query_coverage),
    ):
        for failure in coverage.failures:
            writer.writerow([split, queries[failure.position].clip.id, failure.reason])
    return text.getvalue()


def _versions() -> dict[str, str]:
    return {
        "calm_pl": __version__,
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in _PACKAGES},
    }


def _write(path: Path, text: str) -> None:
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def from_record(record: JobRecord) -> RunRecord:
    """For a job of the command line."""
    return RunRecord(record)
