"""Qwen2.5-Omni: its thinker, which hears and sees; the parts that speak are not loaded."""

from __future__ import annotations

from typing import Any

from calm_pl.models.chat import sound_extractor
from calm_pl.models.families import whisper
from calm_pl.models.families.omni import OmniPreparer, prefill, rope_positions
from calm_pl.models.families.table import Family
from calm_pl.models.tower import Tower


def prepare(processor: Any) -> OmniPreparer:
    """Make the family's preparer."""
    window = sound_extractor(processor).chunk_length
    return OmniPreparer(processor, window, whisper.token_rule, whisper.audio_settings)


QWEN2_5_OMNI = Family(
    "Qwen2_5OmniThinkerForConditionalGeneration",
    prepare,
    positions=rope_positions,
    prefill=prefill,
    tower=Tower(lambda model: model.model.audio_tower.proj),
)
