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
    """

    key: str
    make: str

    @property
    def title(self) -> str:
        """Its name in messages."""
        return self.key


# Results first: what only shows them comes after what writes them. Those of others come last.
_ORDER = ("progress", "pseudo_labels", "predictions", "run_record", "figures", "report", "wandb_tables")
CALLBACKS = RowTable(
    JobCallback,
    "calm_pl.callbacks",
    "callbacks",
    [JobCallback(name, f"{SHIPPED}.{name}:from_record") for name in _ORDER],
)
