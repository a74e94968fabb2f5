"""Benchmarks as LightningDataModules. Floor 2. Nothing here knows a model: a `Preparer` is handed in."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from calm_pl.data.base import FewShotDataModule

# name: (module, class); imported when used
BENCHMARKS = {
    "esc50": ("calm_pl.data.esc50", "ESC50"),
    "fsdd": ("calm_pl.data.fsdd", "FSDD"),
}


def benchmark_class(name: str) -> type[FewShotDataModule]:
    """The data module of a benchmark."""
    module, cls = BENCHMARKS[name]
    return getattr(importlib.import_module(module), cls)
