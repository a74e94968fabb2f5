"""Failures of what only shows results become warnings: the results are already on disk."""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from lightning.pytorch import LightningModule, Trainer

from calm_pl.atomic_files import write_text
from calm_pl.evaluation.module import FitFreeModule

_LOG = logging.getLogger("calm_pl")
Shows = TypeVar("Shows", bound=Callable[[Any, Trainer, LightningModule], None])


def only_shows(method: Shows) -> Shows:
    """Convert an exception in a callback's last step into a final warning and a remark in `results.json`.

    The callback must have a `run_dir`, which may be None.
    """

    @functools.wraps(method)
    def guarded(self: Any, trainer: Trainer, pl_module: LightningModule) -> None:
        try:
            method(self, trainer, pl_module)
        except Exception as error:  # from Matplotlib, a full disk or W&B's helper process
            assert isinstance(pl_module, FitFreeModule)
            text = f"{type(self).__name__} failed: {type(error).__name__}: {error}"
            pl_module.warnings.append(text)  # commands print them below their table
            _LOG.warning("%s", text)  # a user's own Trainer prints no table
            if self.run_dir is not None:
                _remark(Path(self.run_dir) / "results.json", text)

    return guarded  # type: ignore[return-value]


def _remark(path: Path, text: str) -> None:
    """Add a remark to a file of results, if it can be written."""
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
        results["remarks"].append(text)
        write_text(path, json.dumps(results, indent=2) + "\n")
    except (OSError, ValueError, KeyError):
        pass  # the warning is printed in any case
