"""The table of callbacks that a job may name, in the order in which they run."""

from __future__ import annotations

from dataclasses import dataclass

from calm_pl.rows import RowTable

SHIPPED = "shipped"
"""Placeholder for the package of the shipped callbacks, which has another name in a wheel."""


@dataclass(frozen=True)
class JobCallback:
    """One row.

    Attributes:
        key: name in a configuration's `callbacks`.
        make: `module:function` that creates it from a `JobRecord`, imported on use.
        files: names of the files that it writes to the run folder. A later run in the same folder removes
            those that it does not write. An `index.json` names further files in its folder, as for figures.
    """

    key: str
    make: str
    files: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Its name in messages."""
        return self.key


# Results first: what only shows them comes after what writes them. Callbacks of others come last.
_FILES: dict[str, tuple[str, ...]] = {
    "progress": (),
    "pseudo_labels": ("pseudo_labels.csv", "pseudo_labels.json", "rejected.csv"),
    "predictions": ("predictions.csv",),
    "run_record": (
        *("results.json", "results.md", "classifier.safetensors", "classifier_pl.safetensors"),
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
