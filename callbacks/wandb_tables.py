"""Output for Weights & Biases besides the metrics: intervals, tables, audio, figures, the classifier."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import yaml
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import WandbLogger

from calm_pl.cells import guarded, guarded_rows
from calm_pl.errors import BadClipError
from calm_pl.evaluation.module import FitFreeModule
from calm_pl.jobs.record import JobRecord
from calm_pl.media import load_audio
from calm_pl.report import RunFolder, read_run
from calm_pl.report.confusions import in_turn, shown_clips
from calm_pl.report.figures import listed_figures
from calm_pl.report.results import metrics_of
from calm_pl.report.sound import MOST_SECONDS, RATE

from .figures import FigureWriter
from .order import require_before
from .predictions import PredictionWriter, prediction_rows
from .run_record import RunRecord
from .showing import only_shows

_STAGING = "WANDB_DATA_DIR"
_MOST_ROWS = 10_000  # rows that W&B shows of a table


class WandbTables(Callback):
    """Log to the Trainer's `WandbLogger`, on rank 0; do nothing without one.

    Args:
        config_yaml: the resolved configuration.
        run_dir: the run folder, from which intervals, differences, figures, audio and the classifier are
            read; `PredictionWriter` and `RunRecord` must come before this callback. None logs without these.
        audio_clips: number of clips in the table `test/listen`, the worst predicted of each class in turn. 0
            by default: recordings may be private or licensed, and W&B's server may belong to others.
        classifier: whether to upload `classifier.safetensors` as an artifact.

    Raises:
        RunError: at the start, if either callback is missing from the Trainer or comes after this one.
    """

    def __init__(
        self,
        config_yaml: str = "",
        run_dir: str | Path | None = None,
        audio_clips: int = 0,
        classifier: bool = True,
    ) -> None:
        self.config: dict[str, Any] = yaml.safe_load(config_yaml) or {}
        self.run_dir = None if run_dir is None else Path(run_dir)
        self.audio_clips = audio_clips
        self.classifier = classifier

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Raise RunError if the callbacks that write the files do not come first."""
        if self.run_dir is not None:
            require_before(self, trainer, PredictionWriter, RunRecord)

    @only_shows
    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log everything once."""
        logger = next((one for one in trainer.loggers if isinstance(one, WandbLogger)), None)
        if logger is None or not trainer.is_global_zero:
            return
        assert isinstance(pl_module, FitFreeModule)
        drawn = any(isinstance(one, FigureWriter) for one in trainer.callbacks)  # type: ignore[attr-defined]
        with _staged_below(self.run_dir):
            self._log(logger.experiment, pl_module, drawn)

    def _log(self, run: Any, module: FitFreeModule, with_figures: bool) -> None:
        run.config.update(self.config, allow_val_change=True)
        for name in ("epoch", "trainer/global_step"):  # Lightning's; neither is meaningful here
            run.define_metric(name, hidden=True)
        _log_rounds(run, module)
        _log_predictions(run, module)
        if self.run_dir is not None:
            folder = read_run(self.run_dir)
            _summarise(run, folder)
            _log_sound(run, folder, module, self.audio_clips)
            if with_figures:
                _log_figures(run, folder)
            if self.classifier:
                _keep_classifier(run, folder)


@contextmanager
def _staged_below(run_dir: Path | None) -> Iterator[None]:
    """Keep files waiting for upload in the run folder, since W&B would put them in the home folder.

    Offline, tables with audio wait there until `wandb sync`, and are deleted with the run folder.
    """
    if run_dir is None or _STAGING in os.environ:
        yield
        return
    os.environ[_STAGING] = str((run_dir / "wandb" / "waiting").resolve())
    try:
        yield
    finally:
        del os.environ[_STAGING]


def _log_rounds(run: Any, module: FitFreeModule) -> None:
    """Log accuracy over folds and draws, if there are several."""
    rounds = module.task.rounds
    if len(rounds) < 2:
        return
    run.define_metric("round", hidden=True)
    run.define_metric("rounds/*", step_metric="round")
    each = {name: [one for fold in result.rounds for one in fold] for name, result in module.results.items()}
    for number in range(len(rounds)):
        values = {f"rounds/{name}/accuracy": all_[number].values["accuracy"] for name, all_ in each.items()}
        run.log({"round": number, **values})


def _log_predictions(run: Any, module: FitFreeModule) -> None:
    import wandb

    rows = prediction_rows(module)
    header = next(rows)
    table = wandb.Table(columns=list[str | int](header), data=list(islice(guarded_rows(rows), _MOST_ROWS)))
    run.log({"test/predictions": table})
    run.summary["predictions_left_out"] = sum(1 for _ in rows)
    names = [*module.task.classes, "no answer"]
    cells = wandb.Table(columns=["method", "truth", "predicted", "questions"])
    for name, result in module.results.items():
        for truth, predicted in zip(*result.confusion_CC.nonzero(), strict=True):
            cells.add_data(
                name,
                guarded(names[truth]),
                guarded(names[predicted]),
                float(result.confusion_CC[truth, predicted]),
            )
    run.log({"test/confusion": cells})


def _summarise(run: Any, folder: RunFolder) -> None:
    """Log intervals and counts as columns of the table of runs, methods and differences as tables."""
    import wandb

    found: dict[str, Any] = {"config_hash": folder.results["config_hash"]}
    methods = wandb.Table(columns=["method", "metric", "value", "low", "high"])
    for name, entry in folder.methods.items():
        for metric in metrics_of(entry):
            low, high = entry["ci95"].get(metric.key, (None, None))
            methods.add_data(name, metric.key, entry[metric.key], low, high)
            if low is not None:
                found |= {f"test/{name}/{metric.key}_low": low, f"test/{name}/{metric.key}_high": high}
        found[f"test/{name}/ece"] = entry["ece"]
    run.log({"test/methods": methods})
    for count in ("n_support", "n_query", "n_skipped", "n_cut", "n_missing"):
        found[f"data/{count}"] = folder.results[count]
    for stage, seconds in folder.results["seconds"].items():
        found[f"seconds/{stage}"] = seconds
    run.summary.update(found)
    heads: list[Any] = ["better", "worse", "difference", "ci95", "significant", "p_value"]
    rows = [
        [*(one[head] for head in heads[:3]), str(one["ci95"]), *(one[head] for head in heads[4:])]
        for one in folder.results["differences"]
    ]
    run.log({"test/differences": wandb.Table(columns=heads, data=rows)})


def _log_sound(run: Any, folder: RunFolder, module: FitFreeModule, most: int) -> None:
    """Log a table of clips to listen to, with the predictions of all methods."""
    if not most:
        return
    import wandb

    predictions = folder.predictions
    paths = {query.clip.id: query.clip.path for query in module.task.query}
    labels = [*predictions.classes, "no answer"]
    table = wandb.Table(columns=["clip", "sound", "truth", *predictions.methods])
    for one in islice(in_turn(shown_clips(predictions), most), most):
        clip = predictions.questions[one.position].clip
        try:
            wave = load_audio(paths[clip], RATE, MOST_SECONDS).windows[0]
        except BadClipError:
            continue  # it was readable when evaluated
        said = [labels[predicted] for predicted, _, _ in one.predictions]
        sound = wandb.Audio(wave, sample_rate=RATE, caption=clip)
        table.add_data(guarded(clip), sound, guarded(labels[one.label]), *map(guarded, said))
    run.log({"test/listen": table})


def _log_figures(run: Any, folder: RunFolder) -> None:
    """Draw the run's figures as PNG, which W&B shows, beside its SVG, and log them."""
    import wandb

    from calm_pl.figures.folder import Kind, draw_into
    from calm_pl.figures.run import run_drawings
    from calm_pl.figures.run_files import facts_of

    listed = listed_figures(folder.path)
    drawn = {one.name for one in listed}
    drawings = [one for one in run_drawings(facts_of(folder)) if one.name in drawn]
    draw_into(folder.path / "figures", drawings, [Kind("light", "png")], fresh=False)
    for one in listed:
        path = folder.path / "figures" / f"{one.name}.png"
        if path.is_file():
            run.log({f"figures/{one.name}": wandb.Image(str(path), caption=one.title)})


def _keep_classifier(run: Any, folder: RunFolder) -> None:
    """Upload the classifier with its configuration, as an artifact of type `model`."""
    import wandb

    if not (folder.path / "classifier.safetensors").is_file():
        return
    scores = {name: entry["accuracy"] for name, entry in folder.methods.items()}
    metadata = {"accuracy": scores, "config_hash": folder.results["config_hash"]}
    artifact = wandb.Artifact(f"classifier-{run.id}", type="model", metadata=metadata)
    for path in _kept(folder.path):
        # Not copied into W&B's staging folder: a classifier of 527 classes is hundreds of MB.
        artifact.add_file(str(path.resolve()), policy="immutable", skip_cache=True)
    run.log_artifact(artifact)


def _kept(run_dir: Path) -> Iterator[Path]:
    names = ("classifier.safetensors", "config.yaml", "results.json")
    return (run_dir / name for name in names if (run_dir / name).is_file())


def from_record(record: JobRecord) -> WandbTables:
    """Create the callback for a command-line job."""
    config = yaml.safe_load(record.config_yaml) or {}
    with_records = {"predictions", "run_record"} <= set(config.get("callbacks", ()))
    settings = config.get("wandb", {})
    return WandbTables(
        record.config_yaml,
        record.run_dir if with_records else None,
        settings.get("audio_clips", 0),
        settings.get("classifier", True),
    )
