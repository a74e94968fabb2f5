"""Qwen2-Audio."""

from __future__ import annotations

from functools import partial
from typing import Any

from calm_pl.models.chat import ChatPreparer, sound_extractor
from calm_pl.models.families import whisper
from calm_pl.models.families.table import Family


def prepare(processor: Any) -> ChatPreparer:
    """Make the family's preparer."""
    window = sound_extractor(processor).chunk_length
    return ChatPreparer(processor, window, whisper.token_rule, whisper.audio_settings)


QWEN2_AUDIO = Family(
    "Qwen2AudioForConditionalGeneration",
    prepare,
    prefill=partial(whisper.prefill, mask="feature_attention_mask"),
    tower=whisper.PROJECTED,
)
