"""Families of audio language models: how they differ, and where each adapter is."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from calm_pl.entry_points import described, load_point, points_of
from calm_pl.errors import ModelError
from calm_pl.models.preparer import Preparer
from calm_pl.models.tower import Tower

Inputs = dict[str, Tensor]


def counted_positions(model: Any, inputs: Inputs) -> Tensor:
    """Return positions (N, T) that count the real tokens of each prompt, padding on either side.

    Always given: some models derive none from the mask, and a cached continuation is then silently wrong.
    """
    return (inputs["attention_mask"].cumsum(-1) - 1).clamp(min=0)


def plain_prefill(model: Any, inputs: Inputs, positions: Tensor, use_cache: bool) -> Any:
    """Run the inner model, which has no output head."""
    return model.model(**inputs, position_ids=positions, use_cache=use_cache)


def no_fault(model: Any) -> str | None:
    """Report no problem: only the weights are needed."""
    return None


@dataclass(frozen=True)
class Family:
    """How the models of one family are prompted and run.

    Attributes:
        model_class: name of the class in `transformers`, or the class itself.
        preparer: makes the family's `Preparer` from its processor.
        positions: (model, inputs) to position ids, (N, T) or (3, N, T).
        prefill: (model, inputs, positions, use_cache) to what the inner model returns: `last_hidden_state`
            (N, T, E) and, where asked for, the key-value cache (see `kv_cache`).
        fault: why a model that was loaded would give wrong results all the same; None where it would not.
        tower: where the states of its audio tower are; None where those of sound cannot be told from those of
            padding, or nobody has looked.
        is_embedder: whether its models are no audio language models, but give one vector per clip; see
            `calm_pl.models.clap`.
    """

    model_class: str | type[Any]
    preparer: Callable[[Any], Preparer]
    positions: Callable[[Any, Inputs], Tensor] = counted_positions
    prefill: Callable[[Any, Inputs, Tensor, bool], Any] = plain_prefill
    fault: Callable[[Any], str | None] = no_fault
    tower: Tower | None = None
    is_embedder: bool = False

    def computes_in(self, dtype: str) -> str:
        """Return the dtype that a model is loaded in where `dtype` is asked for: an embedder's is float32."""
        return "float32" if self.is_embedder else dtype


_CATALOGUE = json.loads((Path(__file__).parent / "families.json").read_text(encoding="utf-8"))
FAMILIES: dict[str, str] = {
    model_type: row["adapter"] for row in _CATALOGUE["families"] for model_type in row["model_types"]
}
"""`MODULE:NAME` of the `Family`, a module of this room, by `model_type` of the configuration."""
BASELINES: dict[str, str] = {
    model_type: row["adapter"] for row in _CATALOGUE["baselines"] for model_type in row["model_types"]
}
"""The same of models that are no audio language models, but are compared with them."""
REFUSED: dict[str, str] = _CATALOGUE["refused"]
"""Why a `model_type` is not supported."""

ENTRY_POINTS = "calm_pl.families"
_added: dict[str, Family] = {}
"""Families of plugins, by `model_type`."""


def family_types() -> list[str]:
    """Return the `model_type` of every supported family, those of plugins and other packages too."""
    return sorted({*FAMILIES, *BASELINES, *_added, *points_of(ENTRY_POINTS)})


def add_family(model_type: str, family: Family) -> None:
    """Add a family of a plugin.

    Raises:
        ModelError: the type is that of another family, or it is no `Family`.
    """
    if model_type in {**FAMILIES, **BASELINES} or _added.get(model_type, family) is not family:
        raise ModelError(f"There is a family for {model_type!r} already.")
    _added[model_type] = _checked(family, f"The family of {model_type!r}")


def find_family(model_type: str) -> Family | None:
    """Return the family of a configuration's `model_type`; None where there is none.

    Raises:
        ModelError: that of another package cannot be loaded.
    """
    own = FAMILIES.get(model_type) or BASELINES.get(model_type)
    if own is not None:
        module, _, name = own.partition(":")
        family: Family = getattr(importlib.import_module(f"{__package__}.{module}"), name)
        return family
    if model_type in _added:
        return _added[model_type]
    point = points_of(ENTRY_POINTS).get(model_type)
    if point is None:
        return None
    found = load_point(point, "The family", lambda problem: ModelError(f"{problem}."))
    return _checked(found, described(point, "The family"))


def _checked(family: Any, where: str) -> Family:
    if not isinstance(family, Family):
        raise ModelError(f"{where} must be a calm_pl.models.families.table.Family, but is {family!r}.")
    return family


def family_of(model: Any) -> Family:
    """Return the family of a loaded model.

    Raises:
        ModelError: it is of no supported family.
    """
    family = find_family(model.config.model_type)
    if family is None:
        raise ModelError(
            f"{type(model).__name__} ({model.config.model_type!r}) is of no supported family:"
            f" {', '.join(family_types())}."
        )
    return family


def next_token_logits(model: Any, hidden_NE: Tensor) -> Tensor:
    """Return logits (N, V) float32 of the token after each hidden state, as the whole model would."""
    logits_NV = model.lm_head(hidden_NE).to(torch.float32)
    cap = getattr(model.config.get_text_config(), "final_logit_softcapping", None)
    return logits_NV if cap is None else torch.tanh(logits_NV / cap) * cap
