"""Qwen3-Omni: its thinker, a mixture of experts that hears and sees; the parts that speak are not loaded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from calm_pl.models.chat import sound_extractor
from calm_pl.models.families import omni
from calm_pl.models.families.omni import OmniPreparer
from calm_pl.models.families.table import Family, Inputs
from calm_pl.models.tower import Tower

_CHUNK = 100  # mel frames that the audio tower takes at once
_CHUNK_TOKENS = 13


def prepare(processor: Any) -> OmniPreparer:
    """Make the family's preparer.

    Clips are turned into features one by one: in a batch, the processor would mirror the end of the longest
    and pad the others.
    """
    return OmniPreparer(processor, sound_extractor(processor).chunk_length, token_rule, one_by_one=True)


def token_rule(extractor: Any, num_samples: int) -> int:
    """Return the audio placeholders of a clip: 13 for each whole chunk, and three halvings of the rest."""
    chunks, rest = divmod(num_samples // int(extractor.hop_length), _CHUNK)
    for _ in range(3):
        rest = -(-rest // 2)
    return chunks * _CHUNK_TOKENS + rest


def prefill(model: Any, inputs: Inputs, positions_3NT: Tensor, use_cache: bool) -> Any:
    """Run the inner model.

    Clips shorter than a chunk are encoded one by one: the tower pads them to the longest chunk of the batch
    and lets its convolutions run over that padding, so together they would come out otherwise than alone.
    """
    if int(inputs["feature_attention_mask"].sum(-1).min()) >= _CHUNK:
        return omni.prefill(model, inputs, positions_3NT, use_cache)
    with _hearing_one_by_one(model.model):
        return omni.prefill(model, inputs, positions_3NT, use_cache)


@contextmanager
def _hearing_one_by_one(inner: Any) -> Iterator[None]:
    hear = inner.get_audio_features

    def hear_each(features: Tensor, mask: Tensor, *_: Any, **settings: Any) -> SimpleNamespace:
        clips = zip(features.split(1), mask.split(1), strict=True)
        heard = [hear(*clip, None, **settings).last_hidden_state for clip in clips]
        return SimpleNamespace(last_hidden_state=torch.cat(heard))

    inner.get_audio_features = hear_each
    try:
        yield
    finally:
        del inner.get_audio_features


QWEN3_OMNI = Family(
    "Qwen3OmniMoeThinkerForConditionalGeneration",
    prepare,
    positions=omni.rope_positions,
    prefill=prefill,
    tower=Tower(lambda model: model.model.audio_tower.proj1),
)
