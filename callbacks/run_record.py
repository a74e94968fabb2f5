"""The run folder: `results.json`, `results.md`, `config.yaml`, `classifier.safetensors`, lists of clips."""

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
from calm_pl.atomic_files import write_text
from calm_pl.cells import guarded_rows, joined
from calm_pl.data.loading.base import FewShotDataModule
from calm_pl.evaluation import odd_clips
from calm_pl.evaluation.encoding import EncodingPass
from calm_pl.evaluation.module import FitFreeModule
from calm_pl.evaluation.pseudo_labelled import pseudo_fit
from calm_pl.evaluation.results import results_of
from calm_pl.jobs.provenance import machine_facts, now, project_commit
from calm_pl.jobs.record import JobRecord
from calm_pl.methods.classifier import Classifier, method_of
from calm_pl.methods.table import PSEUDO_SUFFIX
from calm_pl.report.markdown import run_markdown
from calm_pl.report.terminal import notes
from calm_pl.runs.findings import with_earlier
from calm_pl.runs.folder import read_results
from calm_pl.runs.predictions import PREDICTIONS_HASH, predictions_hash
from calm_pl.voters import HeadVoter

from .predictions import PredictionWriter
from .showing import only_shows

_PACKAGES = (
    *("torch", "transformers", "lightning", "torchmetrics", "torchaudio", "numpy"),
    *("soundfile", "soxr", "av"),
)


class RunRecord(Callback):
    """Write the records of a `FitFreeModule` after test, on rank 0; `results.md` last, from `results.json`.

    Args:
        run_dir: the run folder.
        benchmark: name of the benchmark; the data module's if empty.
        model_path: name of the model; its path if empty.
        config_yaml: the resolved configuration; `config.yaml` is only written if given.
        config_hash: hash of the settings that can change results.
        load_seconds: time spent before this callback was created.
        command: the command line; None from Python.
    """

    def __init__(
        self,
        run_dir: str | Path,
        benchmark: str = "",
        model_path: str = "",
        config_yaml: str = "",
        config_hash: str = "",
        load_seconds: float = 0.0,
        command: str | None = None,
    ) -> None:
        self.run_dir = Path(run_dir)
        self.benchmark = benchmark
        self.model_path = model_path
        self.config_yaml = config_yaml
        self.config_hash = config_hash
        self.load_seconds = load_seconds
        self.command = command
        self._seconds: dict[str, float] = {}
        self._made = self._stage_started = time.perf_counter()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start timing the support."""
        self._stage_started = time.perf_counter()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop it."""
        self._seconds["support"] = time.perf_counter() - self._stage_started

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start timing the query."""
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
            write_text(folder / "config.yaml", self.config_yaml)
        write_text(folder / "skipped.csv", _csv(_skipped(pl_module)))
        for name, rows in (("missing.csv", _missing(data)), (odd_clips.FILE, _odd(pl_module))):
            if len(rows) > 1:
                write_text(folder / name, _csv(rows))
            else:
                (folder / name).unlink(missing_ok=True)
        for name, made in (
            ("classifier.safetensors", classifier(pl_module, data)),
            ("classifier_pl.safetensors", pseudo_classifier(pl_module, data)),
        ):
            if made is None:
                (folder / name).unlink(missing_ok=True)
            else:
                made.save(folder / name)
        for name in ("figures/index.json", "results.md"):  # from an earlier run
            (folder / name).unlink(missing_ok=True)
        path = folder / "results.json"
        results = self._results(trainer, pl_module, data) | self._belonging(trainer)
        results = with_earlier(path, results | {"encodings": self._encodings(trainer, pl_module, data)})
        write_text(path, json.dumps(results, indent=2) + "\n")
        self._show(trainer, pl_module)

    @only_shows
    def _show(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the table of these results, which is read from them."""
        write_text(self.run_dir / "results.md", run_markdown(read_results(self.run_dir)))

    def _belonging(self, trainer: Trainer) -> dict[str, str]:
        """Return the hash of the `predictions.csv` that these results belong to, if it is already written."""
        callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
        earlier = [one for one in callbacks[: callbacks.index(self)] if isinstance(one, PredictionWriter)]
        if not any(one.run_dir == self.run_dir for one in earlier):
            return {}
        return {PREDICTIONS_HASH: predictions_hash(self.run_dir / "predictions.csv")}

    def _encodings(
        self, trainer: Trainer, module: FitFreeModule, data: FewShotDataModule | None
    ) -> list[dict[str, Any]]:
        """Return how much this run encoded, in what time and where; nothing if all was cached."""
        sizes = {"support": len(module.task.support), "query": len(module.task.query)}
        passes = {
            name: (size, EncodingPass(data.loaders[name].num_banked if data else 0, self._seconds[name]))
            for name, size in sizes.items()
        }
        if module.query_search is not None:
            passes["search"] = (sizes["query"], module.query_search)
        encoding = [
            (size - one.num_banked, one.seconds) for size, one in passes.values() if size > one.num_banked
        ]
        if not encoding:
            return []
        questions, seconds = map(sum, zip(*encoding, strict=True))
        return [
            {
                "questions": questions,
                "seconds": round(seconds, 3),
                **machine_facts(str(module.device), trainer.world_size),
                "date": now(),
                **({} if data is None else {"batch_size": dict(data.batch_sizes)}),
            }
        ]

    def _results(
        self, trainer: Trainer, module: FitFreeModule, data: FewShotDataModule | None
    ) -> dict[str, Any]:
        total = self.load_seconds + time.perf_counter() - self._made
        return {
            "benchmark": self.benchmark or type(data if data is None else data.benchmark).__name__,
            "model": self.model_path or module.lalm.path,
            **results_of(module, data),
            "remarks": notes(module, data),
            "seconds": {
                "load": round(self.load_seconds, 3),
                **{stage: round(seconds, 3) for stage, seconds in self._seconds.items()},
                "waited": round(module.waiting.waited, 3),
                "total": round(total, 3),
            },
            "versions": _versions(),
            "provenance": {
                "date": now(),
                **machine_facts(str(module.device), trainer.world_size),
                "command": self.command,
                "commit": project_commit(),
                "model_commit": module.lalm.commit(),
            },
            "config_hash": self.config_hash,
            **{key: module.lalm.identity()[key] for key in ("weights", "dtype", "attn")},
        }


def classifier(module: FitFreeModule, data: FewShotDataModule | None) -> Classifier | None:
    """Return the module's stored voters, with their prompt and model.

    None if no voter can be stored, or the prompt is unknown because there is no data module.
    """
    voters = {name: voter for name, voter in module.stored.items() if method_of(name, voter) is not None}
    return _with_prompt(voters, module.task.classes, module, data)


def pseudo_classifier(module: FitFreeModule, data: FewShotDataModule | None) -> Classifier | None:
    """Return the same for voters on pseudo-labels, with the classes that have pseudo-labels."""
    pseudo = pseudo_fit(module.sources)
    if pseudo is None:
        return None
    first = {name.removesuffix(PSEUDO_SUFFIX): rounds[0] for name, rounds in pseudo.fitted.items()}
    voters = {name: one.voter for name, one in first.items() if method_of(name, one.voter) is not None}
    covered = next((one.covered for one in first.values()), ())
    return _with_prompt(voters, tuple(module.task.classes[c] for c in covered), module, data)


def _with_prompt(
    voters: dict[str, HeadVoter],
    classes: tuple[str, ...],
    module: FitFreeModule,
    data: FewShotDataModule | None,
) -> Classifier | None:
    if not voters or data is None:
        return None
    prompt = {
        "question": data.benchmark.question,
        "n_options": data.settings.n_options,
        "seed": data.settings.seed,
        "readable_labels": data.settings.readable_labels,
        "long_clips": data.settings.long_clips,
    }
    model = {"path": module.lalm.path, "identity": module.lalm.identity()}
    return Classifier(voters, classes, prompt, model)


def _skipped(module: FitFreeModule) -> list[list[str]]:
    rows = [
        [split, queries[failure.position].clip.id, failure.reason]
        for split, queries, coverage in (
            ("support", module.task.support, module.support_coverage),
            ("query", module.task.query, module.query_coverage),
        )
        for failure in coverage.failures
    ]
    # A clip is listed once however many questions it is asked.
    return [["split", "clip", "reason"], *map(list, dict.fromkeys(map(tuple, rows)))]


def _missing(data: FewShotDataModule | None) -> list[list[str]]:
    missing = () if data is None else data.missing
    rows = [[clip.id, joined(clip.labels), str(clip.path)] for clip in missing]
    return [["clip", "labels", "path"], *rows]


def _odd(module: FitFreeModule) -> list[list[str]]:
    found = odd_clips.odd_clips(module.task, module.support_coverage, module.query_coverage)
    rows = [
        [one.split, one.clip.id, joined(one.clip.labels), "|".join(one.kinds), str(one.clip.path)]
        for one in found
    ]
    return [["split", "clip", "labels", "what", "path"], *rows]


def _csv(rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(guarded_rows(rows))
    return text.getvalue()


def _versions() -> dict[str, str]:
    return {
        "calm_pl": __version__,
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in _PACKAGES},
    }


def from_record(record: JobRecord) -> RunRecord:
    """Create the callback for a command-line job."""
    return RunRecord(
        record.run_dir,
        record.benchmark,
        record.model_path,
        record.config_yaml,
        record.config_hash,
        record.load_seconds,
        None if record.made_by is None else record.made_by.text,
    )
