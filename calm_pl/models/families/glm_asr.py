"""GLM-ASR: always encodes whole windows of 30 s, whose padding it does not mask."""

from __future__ import annotations

from typing import Any

from calm_pl.models.chat import ChatPreparer
from calm_pl.models.families.table import Family
from calm_pl.models.families.whisper import PROJECTED, mel_frames

_MERGED = 4  # encoder frames to a token


def prepare(processor: Any) -> ChatPreparer:
    """Make the family's preparer."""
    return ChatPreparer(processor, processor.max_audio_len, token_rule)


def token_rule(extractor: Any, num_samples: int) -> int:
    """Return the audio placeholders of a clip: half the mel frames, rounded up, four per token."""
    return -(-mel_frames(extractor, num_samples) // 2) // _MERGED


GLM_ASR = Family("GlmAsrForConditionalGeneration", prepare, tower=PROJECTED)
