"""`figures/`: a run's figures as SVG, with an `index.json` of their titles and captions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer

from calm_pl.evaluation.module import FitFreeModule
from calm_pl.jobs.record import JobRecord
from calm_pl.methods import METHODS
from calm_pl.runs import read_run

from .order import require_before
from .predictions import PredictionWriter
from .run_record import RunRecord
from .showing import only_shows

# Matplotlib is imported after testing, on rank 0 only.
if TYPE_CHECKING:
    from calm_pl.figures.agreement import Agreement


class FigureWriter(Callback):
    """Draw a run's figures after test, on rank 0, from the files that other callbacks wrote.

    They are SVG, light and dark, as `report.html` shows them; the command `figures` also draws PDF and PNG. A
    figure that cannot be drawn causes a warning, and the job goes on.

    Args:
        run_dir: the run folder, in which `figures/` is created.

    Raises:
        RunError: at the start, if `PredictionWriter` or `RunRecord` is not before it among the callbacks.
    """

    def __init__(self, run_dir: str | Path) -> None:
        self.run_dir = Path(run_dir)
        self.folder = self.run_dir / "figures"

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Raise RunError if the callbacks that write the files do not come first."""
        require_before(self, trainer, PredictionWriter, RunRecord)

    @only_shows
    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the run's figures; each file appears under its name only when complete, the index last."""
        if not trainer.is_global_zero:
            return
        from calm_pl.figures.folder import IN_PAGES, draw_into
        from calm_pl.figures.run import run_drawings
        from calm_pl.figures.run_files import facts_of, write_agreement

        assert isinstance(pl_module, FitFreeModule)
        write_agreement(self.folder, _agreement(pl_module))  # over all rounds; the classifier is the first
        # round's
        draw_into(self.folder, run_drawings(facts_of(read_run(self.run_dir))), IN_PAGES)


def _agreement(module: FitFreeModule) -> dict[str, Agreement]:
    """Return the agreement between rounds on heads, for each method that ranks heads."""
    from calm_pl.figures.agreement import agreement

    found = {}
    for method, rounds in module.fitted.items():
        rows: list[Any] = [getattr(voter, "reliability_", None) for voter in rounds]
        if len(rows) > 1 and rows[0] is not None:
            rows_RCH = np.stack([np.atleast_2d(row.cpu().numpy()) for row in rows])
            found[METHODS.title(method)] = agreement(rows_RCH)
    return found


def from_record(record: JobRecord) -> FigureWriter:
    """Create the callback for a command-line job."""
    return FigureWriter(record.run_dir)
