"""Frozen audio language models: prompt and clip in, head vectors and last-token logits out. Floor 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calm_pl.lazy_names import lazy_names

if TYPE_CHECKING:
    from calm_pl.models.clap import FrozenClap, load_frozen
    from calm_pl.models.deferred import DeferredLALM, LoadArguments
    from calm_pl.models.lalm import FrozenLALM, LalmOutput
    from calm_pl.models.preparer import Preparer

__all__ = [
    "DeferredLALM",
    "FrozenClap",
    "FrozenLALM",
    "LalmOutput",
    "LoadArguments",
    "Preparer",
    "load_frozen",
]
__getattr__ = lazy_names(
    __name__,
    {
        "clap": ("FrozenClap", "load_frozen"),
        "deferred": ("DeferredLALM", "LoadArguments"),
        "lalm": ("FrozenLALM", "LalmOutput"),
        "preparer": ("Preparer",),
    },
)
