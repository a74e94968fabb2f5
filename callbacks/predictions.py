"""`predictions.csv`: every method's prediction for every query."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer

from calm_pl.cells import joined
from calm_pl.evaluation.module import FitFreeModule
from calm_pl.jobs.record import JobRecord
from calm_pl.runs.predictions import cells_of, header_of, write_rows


class PredictionWriter(Callback):
    """Write the predictions of a `FitFreeModule` after test, on rank 0.

    Args:
        run_dir: the run folder.
    """

    def __init__(self, run_dir: str | Path) -> None:
        self.run_dir = Path(run_dir)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the file; it appears under its name only when complete."""
        if not trainer.is_global_zero:
            return
        assert isinstance(pl_module, FitFreeModule)
        write_rows(self.run_dir / "predictions.csv", prediction_rows(pl_module))


def prediction_rows(module: FitFreeModule) -> Iterator[list[str]]:
    """Return a header, then a row per question and draw: truth, options, predictions, confidences.

    `cluster` numbers groups of dependent clips, such as those of one recording (see
    `calm_pl.metrics.clusters`).
    """
    yield header_of(module.methods)
    task = module.task
    seen_Q, label_QDM, confidence_QDM = (t.tolist() for t in module.predictions)
    for position, query in enumerate(task.query):
        if not seen_Q[position]:
            continue
        fold = task.folds[task.fold_Q[position]]
        options = joined([task.classes[c] for c in query.options])
        drawn_with = str(task.cluster_Q[position])
        for draw in range(task.num_draws):
            row = [query.clip.id, fold, str(draw), task.classes[query.label], options, drawn_with]
            for label, confidence in zip(
                label_QDM[position][draw], confidence_QDM[position][draw], strict=True
            ):
                # Index C: the generated text named no option.
                row += cells_of(task.classes[label] if label < len(task.classes) else "", confidence)
            yield row


def from_record(record: JobRecord) -> PredictionWriter:
    """Create the callback for a command-line job."""
    return PredictionWriter(record.run_dir)
