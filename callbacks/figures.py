"""`figures/`: a run's figures as SVG, PDF and PNG, with an `index.json` of their titles and captions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer

from calm_pl.evaluation.module import FitFreeModule
from calm_pl.jobs.record import JobRecord
from calm_pl.methods import METHODS

from .showing import only_shows

# Matplotlib is imported after the test, on rank 0 only.
if TYPE_CHECKING:
    from calm_pl.figures.agreement import Agreement
    from calm_pl.figures.run import HeadFacts, RunFacts


class FigureWriter(Callback):
    """Draw the figures of a `FitFreeModule` after test, on rank 0, into `figures/` of a folder.

    A figure that cannot be drawn is warned of, and the job goes on.

    Args:
        run_dir: where `figures/` is made.
    """

    def __init__(self, run_dir: str | Path) -> None:
        self.run_dir = Path(run_dir)
        self.folder = self.run_dir / "figures"

    @only_shows
    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw what the run has; each file appears under its name only when complete, the index last."""
        if not trainer.is_global_zero:
            return
        from calm_pl.figures.folder import draw_into
        from calm_pl.figures.run import run_drawings
        from calm_pl.figures.run_files import write_agreement

        assert isinstance(pl_module, FitFreeModule)
        facts = run_facts(pl_module)
        write_agreement(self.folder, facts.agreement)
        draw_into(self.folder, run_drawings(facts))


def run_facts(module: FitFreeModule) -> RunFacts:
    """Return the facts about a tested module; those that `facts_of` finds in the folder of its run."""
    from calm_pl.figures.methods import Estimate
    from calm_pl.figures.run import Answered, RunFacts
    from calm_pl.figures.run_files import main_metric

    task = module.task
    seen_Q, label_QDM, confidence_QDM = (state.numpy() for state in module.predictions)
    seen_Q = seen_Q > 0
    metric = main_metric(next(iter(module.results.values())).values)
    answers, estimates = {}, {}
    for m, (method, result) in enumerate(module.results.items()):
        # Six digits, as predictions.csv has them: drawn again from there, a figure is the same.
        confidence_N = [float(f"{c:.6f}") for c in confidence_QDM[seen_Q, :, m].ravel()]
        answers[METHODS.title(method)] = Answered(label_QDM[seen_Q, :, m].ravel(), np.array(confidence_N))
        rounds = [one.values[metric.key] for fold in result.rounds for one in fold]
        low, high = result.ci95.get(metric.key, (None, None))
        estimates[METHODS.title(method)] = Estimate(
            result.values[metric.key], low, high, rounds if len(rounds) > 1 else []
        )
    return RunFacts(
        task.classes,
        np.repeat(task.label_Q[seen_Q], task.num_draws),
        task.num_draws,
        answers,
        estimates,
        metric.title,
        task.positive,
        _head_facts(module),
        _agreement(module),
    )


def _head_facts(module: FitFreeModule) -> HeadFacts | None:
    from calm_pl.figures.run import HeadFacts

    if "calm" not in module.fitted:
        return None
    first: Any = module.fitted["calm"][0]
    return HeadFacts(
        first.weights_.cpu().numpy(), first.reliability_.cpu().numpy(), module.lalm.layout.num_layers
    )


def _agreement(module: FitFreeModule) -> dict[str, Agreement]:
    """Return how well rounds agree on heads, for each method that ranks heads."""
    from calm_pl.figures.agreement import agreement

    found = {}
    for method, rounds in module.fitted.items():
        rows: list[Any] = [getattr(voter, "reliability_", None) for voter in rounds]
        if len(rows) > 1 and rows[0] is not None:
            rows_RCH = np.stack([np.atleast_2d(row.cpu().numpy()) for row in rows])
            found[METHODS.title(method)] = agreement(rows_RCH)
    return found


def from_record(record: JobRecord) -> FigureWriter:
    """Make the callback of a command-line job."""
    return FigureWriter(record.run_dir)
