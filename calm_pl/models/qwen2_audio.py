"""Qwen2-Audio: its inputs and its forward pass up to the last hidden state."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from calm_pl.errors import ModelError

MODEL_TYPE = "qwen2_audio"
MODEL_CLASS = "Qwen2AudioForConditionalGeneration"


class Qwen2AudioPreparer:
    """Makes inputs with the model's own processor and chat template; see `Preparer`."""

    modalities: tuple[str, ...] = ("audio",)

    def __init__(self, processor: Any) -> None:
        if not getattr(processor, "chat_template", None):
            raise ModelError(
                "The checkpoint's processor has no chat template; take an Instruct checkpoint, or add"
                " chat_template.jinja to its folder."
            )
        self.processor = processor
        extractor = processor.feature_extractor
        self.sample_rate = int(extractor.sampling_rate)
        self.max_seconds = float(extractor.chunk_length)
        # The last prompt token is found from the mask, so the side does not matter for right results; left
        # keeps the last positions of a batch aligned.
        processor.tokenizer.padding_side = "left"

    def prompt(self, question: str) -> str:
        """The user turn with one clip and the question, and the opened answer."""
        turn = {
            "role": "user",
            "content": [{"type": "audio", "audio_url": "clip"}, {"type": "text", "text": question}],
        }
        return self.processor.apply_chat_template([turn], add_generation_prompt=True, tokenize=False)

    def __call__(
        self,
        waveforms: Sequence[np.ndarray],
        questions: Sequence[str],
        videos: Sequence[tuple[np.ndarray, float]] | None = None,
    ) -> dict[str, Tensor]:
        """Token ids, mask and log-mel features of N clips; see `Preparer.__call__`."""
        inputs = self.processor(
            text=[self.prompt(question) for question in questions],
            audio=list(waveforms),
            sampling_rate=self.sample_rate,
            return_tensors="pt",
            padding=True,
            audio_kwargs={"max_length": self._padded_samples(waveforms)},
        )
        self._check_hears(inputs, waveforms)
        return {
            name: inputs[name]
            for name in ("input_ids", "attention_mask", "input_features", "feature_attention_mask")
        }

    def _padded_samples(self, waveforms: Sequence[np.ndarray]) -> int:
        """Samples to pad to: the features are then a bit-for-bit prefix of the full window's."""
        extractor = self.processor.feature_extractor
        hop = int(extractor.hop_length)
        frames = math.ceil(max(len(waveform) for waveform in waveforms) / hop)
        return min(window_frames(frames) * hop, int(extractor.n_samples))

    def _check_hears(self, inputs: Any, waveforms: Sequence[np.ndarray]) -> None:
        """A processor that drops audio leaves a model that answers from the text alone."""
        if "input_features" not in inputs or len(inputs["input_features"]) != len(waveforms):
            raise ModelError("The processor dropped the audio: the model would not hear its clips.")
        tokens_N = (inputs["input_ids"] == self.processor.audio_token_id).sum(-1)
        if int(tokens_N.min()) < 2:
            raise ModelError("The processor made no audio tokens: the model would not hear its clips.")

    def option_tokens(self, letter: str) -> list[int]:
        """Ids of the tokens "A" and " A"; whichever are single tokens."""
        tokenizer = self.processor.tokenizer
        spellings = (tokenizer.encode(text, add_special_tokens=False) for text in (letter, f" {letter}"))
        ids = sorted({spelling[0] for spelling in spellings if len(spelling) == 1})
        if not ids:
            raise ModelError(f"The tokenizer has no single token for the option letter {letter!r}.")
        return ids

    def describe(self) -> dict[str, Any]:
        """The prompt around the question (as a hash of it) and the features."""
        extractor = self.processor.feature_extractor
        template = self.prompt("{question}")
        return {
            "template_sha256": hashlib.sha256(template.encode()).hexdigest(),
            "sample_rate": self.sample_rate,
            "max_seconds": self.max_seconds,
            "mel_bins": int(extractor.feature_size),
            "hop_length": int(extractor.hop_length),
        }


def window_frames(frames: int) -> int:
    """Mel frames that the audio tower needs for `frames` valid ones: an even number, two or three more.

    They show the two convolutions all that they see of the padding; the rest is masked out of attention.
    """
    return frames + frames % 2 + 2


def last_hidden_state(model: Any, inputs: dict[str, Tensor]) -> Tensor:
    """Hidden states (N, T, E) of the last decoder layer, without the output head.

    Positions are explicit: the model derives none from the mask. The audio tower runs on the frames of the
    longest clip of the batch rather than on its full window.
    """
    mask_NT = inputs["attention_mask"]
    frames = int(inputs["feature_attention_mask"].sum(-1).max())
    with tower_window(model.model.audio_tower, frames) as window:
        return model.model(
            input_ids=inputs["input_ids"],
            attention_mask=mask_NT,
            position_ids=(mask_NT.cumsum(-1) - 1).clamp(min=0),
            input_features=inputs["input_features"][..., :window],
            feature_attention_mask=inputs["feature_attention_mask"][..., :window],
            use_cache=False,
        ).last_hidden_state


@contextmanager
def tower_window(tower: Any, frames: int) -> Iterator[int]:
    """Let the audio tower take just as many mel frames as `frames` valid ones need; yields that number.

    Exact: `tests/models/test_qwen2_audio.py` compares it with the full window.
    """
    full_positions = tower.config.max_source_positions
    table = tower.embed_positions
    window = min(window_frames(frames), 2 * full_positions)
    shortened = nn.Embedding.from_pretrained(table.weight[: window // 2], freeze=True)
    try:
        tower.config.max_source_positions = window // 2
        tower.embed_positions = shortened
        yield window
    finally:
        tower.config.max_source_positions = full_positions
        tower.embed_positions = table


def next_token_logits(model: Any, hidden_NE: Tensor) -> Tensor:
    """Logits (N, V) float32 of the token that follows each prompt."""
    return model.lm_head(hidden_NE).to(torch.float32)
