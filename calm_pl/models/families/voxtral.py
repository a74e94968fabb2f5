"""Voxtral: prompts by mistral-common; whole windows of 30 s, whose padding is part of what it hears."""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from calm_pl.errors import ModelError
from calm_pl.models.chat import ChatPreparer
from calm_pl.models.families.table import Family

_WINDOW_TOKENS = 375
_MAX_SECONDS = 1800.0  # half an hour, as the family's model cards name
_IEEE_FLOAT = 3  # WAV's code for samples as floating-point numbers


class VoxtralPreparer(ChatPreparer):
    """See `ChatPreparer`; the template is mistral-common's, which takes clips as files."""

    has_own_template = True

    def prompt(self, question: str) -> str:
        """Return the turn as text, with a single audio placeholder."""
        turn = self._turn(np.zeros(self.sample_rate, dtype=np.float32), question)
        text: str = self.tokenizer.apply_chat_template([turn], tokenize=False)
        placeholder = re.escape(self.processor.audio_token)
        return re.sub(f"(?:{placeholder})+", self.processor.audio_token, text)

    def _process(
        self, waveforms: Sequence[np.ndarray], questions: Sequence[str], audio: dict[str, Any]
    ) -> Mapping[str, Any]:
        turns = [[self._turn(*clip)] for clip in zip(waveforms, questions, strict=True)]
        result: Mapping[str, Any] = self.processor.apply_chat_template(turns)
        return result

    def _turn(self, waveform: np.ndarray, question: str) -> dict[str, Any]:
        sound = base64.b64encode(float_wav(waveform, self.sample_rate)).decode()
        parts = [{"type": "audio", "base64": sound}, {"type": "text", "text": question}]
        return {"role": "user", "content": parts}


def prepare(processor: Any) -> VoxtralPreparer:
    """Make the family's preparer.

    Raises:
        ModelError: without mistral-common, whose tokenizer alone makes this family's prompts.
    """
    if type(processor.tokenizer).__name__ != "MistralCommonBackend":
        raise ModelError("Voxtral needs the package mistral-common: pip install 'calm_pl[voxtral]'")
    return VoxtralPreparer(processor, _MAX_SECONDS, token_rule)


def token_rule(extractor: Any, num_samples: int) -> int:
    """Return the audio placeholders of a clip: 375 for each started window of 30 s."""
    return -(-num_samples // int(extractor.n_samples)) * _WINDOW_TOKENS


def float_wav(waveform: np.ndarray, sample_rate: int) -> bytes:
    """Encode a mono WAV file of float32 samples, without loss."""
    data = waveform.astype("<f4").tobytes()
    layout = struct.pack("<HHIIHH", _IEEE_FLOAT, 1, sample_rate, 4 * sample_rate, 4, 32)
    chunks = b"".join(
        name + struct.pack("<I", len(body)) + body for name, body in ((b"fmt ", layout), (b"data", data))
    )
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


VOXTRAL = Family("VoxtralForConditionalGeneration", prepare)
