"""Gemma 3n: the same number of audio tokens for every clip, those past its end filled with one embedding."""

from __future__ import annotations

from typing import Any

from calm_pl.models.chat import ChatPreparer
from calm_pl.models.families.table import Family

_TOKENS = 188
_MAX_SECONDS = 30.0


def prepare(processor: Any) -> ChatPreparer:
    """Make the family's preparer."""
    return ChatPreparer(processor, _MAX_SECONDS, token_rule, one_by_one=True)


def token_rule(extractor: Any, num_samples: int) -> int:
    """Return the audio placeholders of a clip, whatever its length."""
    return _TOKENS


GEMMA_3N = Family("Gemma3nForConditionalGeneration", prepare)
