"""The table of callbacks that a job may name: what makes each, in the order of their work."""

from __future__ import annotations

from dataclasses import dataclass

from calm_pl.rows import RowTable

SHIPPED = "shipped"
"""Stands for the package of the shipped callbacks, which is elsewhere in a wheel."""


@dataclass(frozen=True)
class JobCallback:
    """One row.

    Attributes:
        key: its name in `callbacks` of a configuration.
        make: `module:function` that makes it from a `JobRecord`, imported on use.
        files: what it writes in the run folder, by name. Those that a later run in the same folder does not
            write are removed. An `index.json` names further files beside it, as that of the figures does.
    """

    key: str
    make: str
    files: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Its name in messages."""
        return self.key


# Results first: what only shows them comes after what writes them. Those of others come last.
_FILES: dict[str, tuple[str, ...]] = {
    "progress": (),
    "pseudo_labels": ("pseudo_labels.csv", "pseudo_labels.json", "rejected.csv"),
    "predictions": ("predictions.csv",),
    "run_record": (
        *("results.json", "classifier.safetensors", "classifier_pl.safetensors"),
        *("skipped.csv", "missing.csv", "odd_clips.csv"),
    ),
    "figures": ("figures/index.json", "figures/agreement.json"),
    "report": ("report.html",),
    "wandb_tables": (),
}
CALLBACKS = RowTable(
    JobCallback,
    "calm_pl.callbacks",
    "callbacks",
    [JobCallback(name, f"{SHIPPED}.{name}:from_record", files) for name, files in _FILES.items()],
)
