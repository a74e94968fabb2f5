"""Audio Flamingo 3 and Music Flamingo: long clips are split into windows of 30 s."""

from __future__ import annotations

from functools import partial
from typing import Any

from calm_pl.models.chat import ChatPreparer
from calm_pl.models.families import whisper
from calm_pl.models.families.table import Family


def prepare(processor: Any) -> ChatPreparer:
    """Make the families' preparer."""
    return ChatPreparer(processor, processor.max_audio_len, whisper.token_rule, whisper.audio_settings)


_family = partial(
    Family,
    preparer=prepare,
    prefill=partial(whisper.prefill, mask="input_features_mask"),
    tower=whisper.PROJECTED,
)
AUDIO_FLAMINGO_3 = _family("AudioFlamingo3ForConditionalGeneration")
MUSIC_FLAMINGO = _family("MusicFlamingoForConditionalGeneration")
