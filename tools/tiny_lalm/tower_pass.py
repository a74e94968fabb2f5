"""The tower's pass in training, cut to the batch's longest clip, and what is read from its tokens."""

from __future__ import annotations

import torch
from torch import nn
from transformers.models.qwen2_audio.modeling_qwen2_audio import Qwen2AudioEncoder

from tiny_lalm.augment import Features


def tower_states(
    tower: Qwen2AudioEncoder, features: Features
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return frames `(clips, frames / 2, width)`, pooled states, not projected, and states per clip."""
    hidden = nn.functional.gelu(tower.conv1(features.mels))
    hidden = nn.functional.gelu(tower.conv2(hidden)).transpose(1, 2)
    length = hidden.shape[1]
    hidden = hidden + tower.embed_positions.weight[:length]
    frames = (features.frames - 1) // 2 + 1
    beyond = torch.arange(length, device=hidden.device)[None] >= frames[:, None]
    mask = torch.zeros(beyond.shape, device=hidden.device, dtype=hidden.dtype)
    mask = mask.masked_fill(beyond, -1e4)[:, None, None]
    for layer in tower.layers:
        hidden = layer(hidden, mask)
    pooled = tower.avg_pooler(hidden.transpose(1, 2)).transpose(1, 2)
    return hidden, tower.layer_norm(pooled), (frames - 2) // 2 + 1


def flatten(tokens: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Return the valid tokens of all clips in one row `(total, width)`."""
    valid = torch.arange(tokens.shape[1], device=tokens.device)[None] < counts[:, None]
    return tokens[valid]


def mean_tokens(tokens: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Return each clip's mean over its valid tokens `(clips, width)`."""
    valid = torch.arange(tokens.shape[1], device=tokens.device)[None] < counts[:, None]
    weights = valid.to(tokens) / counts[:, None].to(tokens)
    return (tokens * weights[..., None]).sum(1)
