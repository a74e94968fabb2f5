"""Granite Speech: clips are encoded one by one, since its encoder does not mask padding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from calm_pl.models.chat import ChatPreparer
from calm_pl.models.families.table import Family, Inputs
from calm_pl.models.tower import Tower

_HOP = 160
_BLOCK = 15  # encoder frames that the projector takes at once
_BLOCK_TOKENS = 3
_MAX_SECONDS = 120.0  # no limit is built in; beyond, memory of the prompt grows past other families'


class GranitePreparer(ChatPreparer):
    """Preparer that stores the length of each clip's features; see `ChatPreparer`."""

    turns_are_text = True

    def _process(
        self, waveforms: Sequence[np.ndarray], questions: Sequence[str], audio: dict[str, Any]
    ) -> Mapping[str, Any]:
        inputs = super()._process(waveforms, questions, audio)
        length = torch.tensor([inputs["input_features"].shape[1]] * len(waveforms))
        return {**inputs, "input_features_lengths": length}


def prepare(processor: Any) -> GranitePreparer:
    """Make the family's preparer."""
    return GranitePreparer(processor, _MAX_SECONDS, token_rule, one_by_one=True)


def token_rule(extractor: Any, num_samples: int) -> int:
    """Return the audio placeholders of a clip: three per started block of 15 pairs of mel frames."""
    pairs = (num_samples // _HOP + 1) // 2
    return -(-pairs // _BLOCK) * _BLOCK_TOKENS


def prefill(model: Any, inputs: Inputs, positions_NT: Tensor, use_cache: bool) -> Any:
    """Run the inner model over embeddings in which each clip was encoded alone."""
    heard = [
        model.model.get_audio_features(features[None, : int(length)]).pooler_output[0]
        for features, length in zip(inputs["input_features"], inputs["input_features_lengths"], strict=True)
    ]
    embeddings_NTE = model.model.get_merged_audio_embeddings(inputs["input_ids"], torch.cat(heard))
    return model.model(
        inputs_embeds=embeddings_NTE,
        attention_mask=inputs["attention_mask"],
        position_ids=positions_NT,
        use_cache=use_cache,
    )


def adapter_missing(model: Any) -> str | None:
    """Describe a missing audio adapter: without peft it is skipped with only a log line."""
    if not model.config.has_lora_adapter or getattr(model, "_hf_peft_config_loaded", False):
        return None
    return "its adapter for sound (LoRA) was not loaded, which needs the package peft: pip install peft"


_family = partial(
    Family,
    preparer=prepare,
    prefill=prefill,
    fault=adapter_missing,
    tower=Tower(lambda model: model.model.projector, is_alone=True),
)
GRANITE_SPEECH = _family("GraniteSpeechForConditionalGeneration")
GRANITE_SPEECH_PLUS = _family("GraniteSpeechPlusForConditionalGeneration")
