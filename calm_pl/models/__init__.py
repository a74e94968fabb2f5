"""Frozen audio language models: prompt and clip in, head vectors and last-token logits out. Floor 1."""

from calm_pl.models.deferred import DeferredLALM, LoadArguments
from calm_pl.models.lalm import FrozenLALM, LalmOutput
from calm_pl.models.preparer import Preparer

__all__ = ["DeferredLALM", "FrozenLALM", "LalmOutput", "LoadArguments", "Preparer"]
