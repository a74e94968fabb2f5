"""The run folder: `results.json`, `config.yaml`, `classifier.safetensors`, `skipped.csv`, `missing.csv`."""

from __future__ import annotations

import csv
import importlib.metadata
import io
import json
import math
import platform
import time
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from calm_pl import __version__
from calm_pl.classifier import VOTERS, Classifier
from calm_pl.commands.job import JobRecord
from calm_pl.commands.table import notes
from calm_pl.data.base import FewShotDataModule
from calm_pl.data.task import Task
from calm_pl.files import replacing
from calm_pl.functional.selection import Setting
from calm_pl.metrics import MethodResult
from calm_pl.module import ZERO_SHOT, FitFreeModule
from calm_pl.predictions import by_subset, calibration_error
from calm_pl.pseudo.fitting import SUFFIX, PseudoFit
from calm_pl.pseudo.reporting import summary
from calm_pl.voters import HeadVoter
from calm_pl.voters.oracle import ORACLE

_PACKAGES = ("torch", "transformers", "lightning", "torchmetrics", "torchaudio", "numpy")


class RunRecord(Callback):
    """Writes the records of a `FitFreeModule` after test, on rank 0; `results.json` last.

    Args:
        run_dir: the run folder.
        benchmark: name of the benchmark; of the data module where empty.
        model_path: name of the model; its path where empty.
        config_yaml: the resolved configuration; without one there is no `config.yaml`.
        config_hash: over what can change results.
        load_seconds: time that was spent before this callback was made.
    """

    def __init__(
        self,
        run_dir: str | Path,
        benchmark: str = "",
        model_path: str = "",
        config_yaml: str = "",
        config_hash: str = "",
        load_seconds: float = 0.0,
    ) -> None:
        self.run_dir = Path(run_dir)
        self.benchmark = benchmark
        self.model_path = model_path
        self.config_yaml = config_yaml
        self.config_hash = config_hash
        self.load_seconds = load_seconds
        self._seconds: dict[str, float] = {}
        self._made = self._stage_started = time.perf_counter()

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
        data: FewShotDataModule | None = getattr(trainer, "datamodule", None)
        folder = self.run_dir
        if self.config_yaml:
            _write(folder / "config.yaml", self.config_yaml)
        _write(folder / "skipped.csv", _skipped(pl_module))
        if data is not None and data.missing:
            _write(folder / "missing.csv", _missing(data))
        else:
            (folder / "missing.csv").unlink(missing_ok=True)
        if pl_module.fitted.keys() & VOTERS.keys() and data is not None:
            classifier(pl_module, data).save(folder / "classifier.safetensors")
        if pl_module.pseudo is not None and data is not None:
            pseudo_classifier(pl_module, pl_module.pseudo, data).save(folder / "classifier_pl.safetensors")
        results = json.dumps(self._results(pl_module, data), indent=2) + "\n"
        _write(folder / "results.json", results)

    def _results(self, module: FitFreeModule, data: FewShotDataModule | None) -> dict[str, Any]:
        support, query = module.support_coverage, module.query_coverage
        total = self.load_seconds + time.perf_counter() - self._made
        return {
            "benchmark": self.benchmark or type(data).__name__,
            "model": self.model_path or module.lalm.path,
            "classes": list(module.task.classes),
            "methods": {
                name: _method(result, module.task)
                | {"ece": round(calibration_error(module.task, module.predictions, m), 6)}
                | _failures(name, result, module)
                | _settings(name, module)
                for m, (name, result) in enumerate(module.results.items())
            },
            "positive": None if module.task.positive is None else module.task.classes[module.task.positive],
            "heads": _heads(module),
            "n_support": support.used,
            "n_query": query.used,
            "n_skipped": len(support.failures) + len(query.failures),
            "n_cut": support.num_cut + query.num_cut,
            "n_missing": 0 if data is None else len(data.missing),
            "notes": [] if data is None else list(data.notes),
            "remarks": notes(module, data),
            "differences": [
                {
                    "better": one.better,
                    "worse": one.worse,
                    "difference": round(one.difference, 6),
                    "ci95": list(one.interval),
                    "holds": one.holds,
                    "p_mcnemar": one.p_value,
                }
                for one in module.differences
            ],
            "self_check": _self_check(module),
            **_breakdown(module),
            **({} if module.pseudo is None else {"pseudo_labels": summary(module.pseudo)}),
            "seconds": {
                "load": round(self.load_seconds, 3),
                **{stage: round(seconds, 3) for stage, seconds in self._seconds.items()},
                "total": round(total, 3),
            },
            "versions": _versions(),
            "config_hash": self.config_hash,
        }


def _method(result: MethodResult, task: Task) -> dict[str, Any]:
    """A method's entry: means, intervals, and where there are several rounds their spread and each one."""
    entry: dict[str, Any] = {
        **{metric: _number(value) for metric, value in result.values.items()},
        "ci95": {metric: list(ends) for metric, ends in result.ci95.items()},
        "n": result.n,
    }
    if len(task.rounds) > 1:
        entry["ci95_parts"] = {
            metric: {"clips": list(chance.clips), "draws": chance.draws and list(chance.draws)}
            for metric, chance in result.ci95_parts.items()
        }
        entry["sd"] = {
            metric: {over: _number(value) for over, value in spread._asdict().items()}
            for metric, spread in result.spread.items()
        }
        each = [one for fold in result.rounds for one in fold]
        entry["rounds"] = [
            {
                "fold": place.fold or None,
                "draw": place.draw,
                **{metric: _number(value) for metric, value in one.values.items()},
                "n": one.n,
            }
            for place, one in zip(task.rounds, each, strict=True)
        ]
    return entry


def _failures(name: str, result: MethodResult, module: FitFreeModule) -> dict[str, Any]:
    """How zero-shot answered, and the share of generated answers that named no option."""
    if name != ZERO_SHOT:
        return {}
    unparsed = result.confusion_CC[:, len(module.task.classes) :].sum() / result.n
    return {"answered_by": module.zero_shot, "parse_failure_rate": round(float(unparsed), 6)}


def _settings(name: str, module: FitFreeModule) -> dict[str, Any]:
    """Which settings were chosen in each round, and on which clips, where any were."""
    rounds = module.fitted.get(name, [])
    oracle = name.endswith(ORACLE)
    if not rounds or not (oracle or rounds[0].get_params().get("select") == "loo"):
        return {}
    chosen = [[voter.fitted_params()[key] for key in Setting._fields] for voter in rounds]
    return {
        "chosen_on": "query" if oracle else "support",
        "settings": [dict(zip(Setting._fields, values, strict=True)) for values in chosen],
    }


def _breakdown(module: FitFreeModule) -> dict[str, Any]:
    """Results of each subset, where the benchmark has any."""
    kind = module.task.by_subset
    if kind is None or not any(module.task.subset_Q):
        return {}
    results = {name: by_subset(module.task, module.predictions, m) for m, name in enumerate(module.methods)}
    subsets = next(iter(results.values()))
    return {
        "breakdown": {
            "by": kind,
            "subsets": {
                subset: {
                    "n": subsets[subset].n,
                    **{
                        name: {"accuracy": round(parts[subset].accuracy, 6), "eer": parts[subset].eer}
                        for name, parts in results.items()
                    },
                }
                for subset in subsets
            },
        }
    }


def _self_check(module: FitFreeModule) -> dict[str, Any] | None:
    """What the model's checks found; None where they were off, or all clips came from the bank."""
    found = getattr(module.lalm, "self_check", None)
    return None if found is None else {**found.hearing._asdict(), **found.invariance._asdict()}


def _heads(module: FitFreeModule) -> dict[str, int]:
    """Where each head of a layer-major index is."""
    layout = module.lalm.layout
    return {
        "layers": layout.num_layers,
        "heads_per_layer": layout.heads_per_layer,
        "head_dim": layout.head_dim,
    }


def _number(value: float | None) -> float | None:
    """JSON has no NaN."""
    return None if value is None or math.isnan(value) else value


def classifier(module: FitFreeModule, data: FewShotDataModule) -> Classifier:
    """The voters of the first round that can be stored, with the prompt and the model that they belong to."""
    first = {name: rounds[0] for name, rounds in module.fitted.items() if name in VOTERS}
    return _with_prompt(first, module.task.classes, module, data)


def pseudo_classifier(module: FitFreeModule, pseudo: PseudoFit, data: FewShotDataModule) -> Classifier:
    """The same for voters on pseudo-labels; it knows the classes that have one."""
    first = {name.removesuffix(SUFFIX): rounds[0] for name, rounds in pseudo.fitted.items()}
    covered = next(iter(first.values())).covered
    voters = {name: one.voter for name, one in first.items() if name in VOTERS}
    return _with_prompt(voters, tuple(module.task.classes[c] for c in covered), module, data)


def _with_prompt(
    voters: dict[str, HeadVoter], classes: tuple[str, ...], module: FitFreeModule, data: FewShotDataModule
) -> Classifier:
    prompt = {
        "question": data.question,
        "n_options": data.settings.n_options,
        "seed": data.settings.seed,
        "readable_labels": data.settings.readable_labels,
        "long_clips": data.settings.long_clips,
    }
    model = {"path": module.lalm.path, "identity": module.lalm.identity()}
    return Classifier(voters, classes, prompt, model)


def _skipped(module: FitFreeModule) -> str:
    rows = [
        [split, queries[failure.position].clip.id, failure.reason]
        for split, queries, coverage in (
            ("support", module.task.support, module.support_coverage),
            ("query", module.task.query, module.query_coverage),
        )
        for failure in coverage.failures
    ]
    return _csv(["split", "clip", "reason"], rows)


def _missing(data: FewShotDataModule) -> str:
    rows = [[clip.id, "|".join(clip.labels), str(clip.path)] for clip in data.missing]
    return _csv(["clip", "labels", "path"], rows)


def _csv(header: list[str], rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
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
    return RunRecord(
        record.run_dir,
        record.benchmark,
        record.model_path,
        record.config_yaml,
        record.config_hash,
        record.load_seconds,
    )
