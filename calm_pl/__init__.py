"""calm_pl: training-free evaluation of frozen audio language models through their attention heads."""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

# Names are imported on first use, so that `--help` and the voters do not pay for transformers and Lightning.
_HOMES = {
    "Calm": "calm_pl.voters",
    "CalmAuto": "calm_pl.voters",
    "CalmGlobal": "calm_pl.voters",
    "Gda": "calm_pl.voters",
    "Sav": "calm_pl.voters",
    "FrozenLALM": "calm_pl.models",
    "load_classifier": "calm_pl.classifier",
}
__all__ = [*sorted(_HOMES), "__version__"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'calm_pl' has no attribute {name!r}")
