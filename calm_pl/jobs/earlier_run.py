"""A run folder holds one run: what an earlier one left, and this one did not write, goes at its end."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer

from calm_pl.runs.files import Stamp, stamp_of, stamps


class EarlierRun(Callback):
    """Remove an earlier run's files after test, on rank 0; the last of a job's callbacks.

    Only files go that callbacks of the table write, by name, and that are as they were when the job began;
    whatever else a user keeps in the folder stays.

    Args:
        folder: the run folder.
        names: of the files that callbacks write.
    """

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self.folder = folder
        self.names = names
        self._before: dict[Path, Stamp] = {}

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note what is there before anything is written."""
        if trainer.is_global_zero:
            self._before = stamps(self.folder, self.names)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remove what is still as it was."""
        if not trainer.is_global_zero:
            return
        for path, stamp in self._before.items():
            if stamp_of(path) == stamp:
                with suppress(OSError):  # whoever may not delete it is left with it
                    path.unlink()
        with suppress(OSError):  # not empty, or not there
            (self.folder / "figures").rmdir()
