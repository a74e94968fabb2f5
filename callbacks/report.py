"""`report.html`: a run's results on one self-contained page."""

from __future__ import annotations

from pathlib import Path

import yaml
from lightning.pytorch import Callback, LightningModule, Trainer

from calm_pl.evaluation.module import FitFreeModule
from calm_pl.jobs.record import JobRecord
from calm_pl.report import SoundRule, read_run, write_run_page

from .order import require_before
from .predictions import PredictionWriter
from .run_record import RunRecord
from .showing import only_shows


class ReportWriter(Callback):
    """Write the page after test, on rank 0, from the files of `PredictionWriter` and `RunRecord`.

    Args:
        run_dir: the run folder.
        audio: embed audio of clips. Off by default: recordings may be private or licensed, and pages are
            easily shared.
        clips_per_class: maximum number of embedded clips per class, worst predicted first.
        max_megabytes: maximum size of all embedded clips together.

    Raises:
        RunError: at the start, if either callback is missing from the Trainer or comes after this one.
    """

    def __init__(
        self,
        run_dir: str | Path,
        audio: bool = False,
        clips_per_class: int = 3,
        max_megabytes: float = 4.0,
    ) -> None:
        self.run_dir = Path(run_dir)
        self.rule = SoundRule(audio, clips_per_class, max_megabytes)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Raise RunError if the callbacks that write the files do not come first."""
        require_before(self, trainer, PredictionWriter, RunRecord)

    @only_shows
    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the page; it appears under its name only when complete."""
        if not trainer.is_global_zero:
            return
        assert isinstance(pl_module, FitFreeModule)
        paths = {one.clip.id: one.clip.path for one in pl_module.task.query}
        write_run_page(read_run(self.run_dir), self.run_dir / "report.html", self.rule, paths)


def from_record(record: JobRecord) -> ReportWriter:
    """Create the callback for a command-line job."""
    settings = (yaml.safe_load(record.config_yaml) or {}).get("report", {})
    return ReportWriter(record.run_dir, **settings)
