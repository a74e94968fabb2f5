"""The untrained model and its processor: sizes, positions and start values in one place."""

from __future__ import annotations

import math
from typing import NamedTuple, cast

import torch
from torch import nn
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2AudioConfig,
    Qwen2AudioForConditionalGeneration,
    Qwen2AudioProcessor,
    WhisperFeatureExtractor,
)
from transformers.models.qwen2.modeling_qwen2 import Qwen2Attention
from transformers.models.qwen2_audio.modeling_qwen2_audio import (
    Qwen2AudioAttention,
    Qwen2AudioEncoder,
)

from tiny_lalm.classes import audio_mark
from tiny_lalm.tokenizer import CHAT_TEMPLATE, build_tokenizer, vocabulary

SAMPLE_RATE = 16_000
MEL_BINS = 64
WINDOW_SECONDS = 5
MAX_FRAMES = 100 * WINDOW_SECONDS
TOWER_WIDTH = 192
DECODER_WIDTH = 128
HEAD_SIZE = 32
"""Twice what the width asks for: 16 dimensions held less of the tower's geometry."""
LOCAL_OFFSETS = ((-3, -1, 1, 3), (-3, -1, 1, 3), (-8, -3, 3, 8))
"""Frames of 20 ms that the heads of the first tower layers look away at the start."""
LOCAL_STRENGTH = 1.0
AUDIO_PULL = 10.0
"""What the mark of an audio token adds to its attention logits at the start."""
MARK_SIZE = 7.0
"""About how long the mark is in an audio token after the decoder's first norm."""


class Shape(NamedTuple):
    """Sizes of the tower and of the decoder."""

    tower_layers: int = 4
    tower_width: int = TOWER_WIDTH
    tower_inner: int = 4 * TOWER_WIDTH
    decoder_layers: int = 5
    decoder_width: int = DECODER_WIDTH
    decoder_inner: int = 3 * DECODER_WIDTH
    head_size: int = HEAD_SIZE


def build_processor(tokenizer: PreTrainedTokenizerFast | None = None) -> Qwen2AudioProcessor:
    """Build the processor: log-mel features of a 5 s window and a tokenizer, by default the tiny model's."""
    extractor = WhisperFeatureExtractor(
        feature_size=MEL_BINS,
        sampling_rate=SAMPLE_RATE,
        chunk_length=WINDOW_SECONDS,
        return_attention_mask=True,
    )
    return Qwen2AudioProcessor(
        feature_extractor=extractor,
        tokenizer=tokenizer or build_tokenizer(vocabulary()),
        chat_template=CHAT_TEMPLATE,
    )


def _rates(width: int) -> torch.Tensor:
    return torch.exp(-math.log(10_000) * torch.arange(width // 2) / (width // 2 - 1))


def _sinusoids(length: int, width: int) -> torch.Tensor:
    """Return sinusoidal positions `(length, width)`."""
    angles = torch.arange(length)[:, None] * _rates(width)[None]
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def _attend_locally(tower: Qwen2AudioEncoder) -> None:
    """Start every head but those of the last layer at a fixed offset from its own frame.

    Sinusoids make this a linear matter: queries read the positions at some rates, keys the same
    positions turned by the offset, so that their product peaks where the key stands ``offset``
    frames away. Learning to look at neighbours from random weights takes many hundred steps.
    """
    width = tower.config.d_model
    half = width // 2
    for layer, offsets in zip(tower.layers, LOCAL_OFFSETS, strict=False):
        attention = cast(Qwen2AudioAttention, layer.self_attn)
        pairs = attention.head_dim // 2
        chosen = torch.arange(5, 5 + pairs)
        for head, offset in enumerate(offsets):
            rows = head * attention.head_dim + torch.arange(pairs)
            turn = _rates(width)[chosen] * offset
            query, key = attention.q_proj.weight, attention.k_proj.weight
            query[rows, chosen] += LOCAL_STRENGTH
            query[rows + pairs, half + chosen] += LOCAL_STRENGTH
            key[rows, chosen] += LOCAL_STRENGTH * turn.cos()
            key[rows, half + chosen] -= LOCAL_STRENGTH * turn.sin()
            key[rows + pairs, half + chosen] += LOCAL_STRENGTH * turn.cos()
            key[rows + pairs, chosen] += LOCAL_STRENGTH * turn.sin()


def _attend_to_audio(decoder: nn.Module) -> None:
    """Start all but the decoder's last layer at attending to audio, and to what resembles the own position.

    Choosing an option is finding the one that resembles the audio. With equal query and key
    projections that is where training starts, rather than what it has to discover. Alone, it makes
    every position attend to itself; so queries also ask for the mark of audio tokens, in
    the pairs of dimensions that rotary positions turn too slowly to hide it.
    """
    layers = cast(nn.ModuleList, decoder.layers)
    fast = HEAD_SIZE // 4
    slow = (torch.arange(HEAD_SIZE) % (HEAD_SIZE // 2)) >= fast
    for layer in layers[:4]:
        attention = cast(Qwen2Attention, layer.self_attn)
        nn.init.orthogonal_(attention.q_proj.weight, gain=1.66)
        attention.k_proj.weight.copy_(attention.q_proj.weight)
        seen = attention.k_proj.weight.unflatten(0, (-1, HEAD_SIZE)) @ audio_mark(DECODER_WIDTH) * slow
        asked = seen / seen.square().sum(1, keepdim=True)
        attention.q_proj.bias.copy_(AUDIO_PULL * math.sqrt(HEAD_SIZE) / MARK_SIZE * asked.flatten())


def random_model(
    processor: Qwen2AudioProcessor, seed: int, shape: Shape
) -> Qwen2AudioForConditionalGeneration:
    """Build the model with random weights drawn from ``seed`` and Whisper's sinusoids for positions."""
    tokenizer = processor.tokenizer
    config = Qwen2AudioConfig(
        audio_config={
            "model_type": "qwen2_audio_encoder",
            "num_mel_bins": MEL_BINS,
            "encoder_layers": shape.tower_layers,
            "encoder_attention_heads": 4,
            "encoder_ffn_dim": shape.tower_inner,
            "d_model": shape.tower_width,
            "max_source_positions": MAX_FRAMES // 2,
            "initializer_range": 0.04,
        },
        text_config={
            "model_type": "qwen2",
            "vocab_size": len(tokenizer),
            "hidden_size": shape.decoder_width,
            "intermediate_size": shape.decoder_inner,
            "num_hidden_layers": shape.decoder_layers,
            "num_attention_heads": 8,
            "num_key_value_heads": 8,
            "head_dim": shape.head_size,
            "max_position_embeddings": 1024,
            "initializer_range": 0.05,
            "tie_word_embeddings": False,
            "pad_token_id": tokenizer.pad_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "bos_token_id": None,
        },
        audio_token_index=tokenizer.convert_tokens_to_ids("<|AUDIO|>"),
    )
    config.pad_token_id = tokenizer.pad_token_id
    config.eos_token_id = tokenizer.eos_token_id
    torch.manual_seed(seed)
    model = Qwen2AudioForConditionalGeneration._from_config(config, attn_implementation="eager")
    tower = model.model.audio_tower
    with torch.no_grad():
        nn.init.kaiming_normal_(tower.conv1.weight, nonlinearity="relu")
        nn.init.kaiming_normal_(tower.conv2.weight, nonlinearity="relu")
        tower.embed_positions.weight.copy_(0.4 * _sinusoids(MAX_FRAMES // 2, shape.tower_width))
    return model


def build_model(processor: Qwen2AudioProcessor, seed: int) -> Qwen2AudioForConditionalGeneration:
    """Build the tiny model: random weights, and attention that starts where training would take it."""
    model = random_model(processor, seed, Shape())
    with torch.no_grad():
        _attend_locally(model.model.audio_tower)
        _attend_to_audio(model.get_decoder())
    return model
