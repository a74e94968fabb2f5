"""Memory that a model needs: its weights, from the headers of their files; its activations, estimated."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "F64": 8, "F32": 4, "BF16": 2, "F16": 2}
"""Bytes of a number, by the names of torch and of safetensors."""
_QUANTIZED = {"8bit": 1.0, "4bit": 0.5}  # of the weights; their scales come on top, a few per cent
_LENGTH_BYTES = 8
_STATES_PER_SECOND = 50  # of Whisper's tower, after its second convolution
_MELS_PER_SECOND = 100
_BESIDE = 1.3  # what else is alive: embeddings, masks, copies; see benchmarks/memory.py


class Widths(NamedTuple):
    """Sizes on which activations depend.

    Attributes:
        hidden: width of the decoder.
        mlp: width inside its MLPs.
        heads: query heads per layer.
        head_dim: width of one.
        layers: number of layers.
        key_values: key-value heads per layer.
        tower: width of the audio tower; 0 where it is unknown.
        tower_mlp: width inside the tower's MLPs.
    """

    hidden: int
    mlp: int
    heads: int
    head_dim: int
    layers: int
    key_values: int
    tower: int
    tower_mlp: int


def stored_numbers(folder: Path) -> Counter[str]:
    """Return how many numbers the safetensors files of a folder hold, by their dtype. Only headers are read.

    Raises:
        OSError, ValueError: a file that cannot be read as such.
    """
    counts: Counter[str] = Counter()
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(_LENGTH_BYTES), "little")))
        for name, entry in header.items():
            if name != "__metadata__":
                counts[entry["dtype"]] += math.prod(entry["shape"])
    return counts


def weight_bytes(counts: Mapping[str, int], dtype: str, quantization: str | None = None) -> int:
    """Return the memory of loaded weights.

    Args:
        counts: numbers by the dtype of their file.
        dtype: that they are loaded in; `auto` keeps their own.
        quantization: `8bit` or `4bit`.
    """
    if quantization is not None:
        return round(sum(counts.values()) * _QUANTIZED[quantization])
    return sum(
        count * (BYTES.get(stored, 4) if dtype == "auto" else BYTES[dtype])
        for stored, count in counts.items()
    )


def widths_of(config: Any) -> Widths:
    """Return the sizes in a `transformers` configuration."""
    text = config.get_text_config()
    heads = text.num_attention_heads
    tower: dict[str, Any] = next(_towers(config), {})
    return Widths(
        text.hidden_size,
        _largest(text.intermediate_size),
        heads,
        getattr(text, "head_dim", None) or text.hidden_size // heads,
        text.num_hidden_layers,
        getattr(text, "num_key_value_heads", None) or heads,
        tower.get("d_model") or tower.get("hidden_size") or 0,
        tower.get("encoder_ffn_dim") or tower.get("intermediate_size") or 0,
    )


def _towers(config: Any) -> Iterator[dict[str, Any]]:
    """Yield the settings of audio towers, wherever a configuration keeps them."""
    for name, part in vars(config).items():
        if hasattr(part, "to_dict"):
            if name.startswith("audio"):
                yield part.to_dict()
            yield from _towers(part)


def _largest(size: int | list[int]) -> int:
    return max(size) if isinstance(size, list) else size  # one for each layer, as in Gemma 3n


def activation_bytes(
    widths: Widths,
    clips: int,
    seconds: float,
    tokens: int,
    each: int,
    eager: bool = False,
    caches: int = 0,
) -> int:
    """Estimate the most memory that a batch takes beside the weights.

    The largest moment is within one layer, of the audio tower or of the decoder; both are sums of the tensors
    that live then, and 30 % more (`benchmarks/memory.py` compares the estimate with what PyTorch allocates).

    Args:
        widths: of the model.
        clips: of the batch.
        seconds: of the longest.
        tokens: of the longest prompt, sound included.
        each: bytes of a number.
        eager: attention that keeps all scores.
        caches: how many copies of keys and values are kept: one for generated answers, two for option texts.
    """
    w, states, mels = widths, seconds * _STATES_PER_SECOND, seconds * _MELS_PER_SECOND
    inner, pairs = w.heads * w.head_dim, w.key_values * w.head_dim
    scores = (each + 8) * w.heads * tokens**2 if eager else 0
    attention = each * tokens * (3 * w.hidden + 4 * inner + 2 * pairs) + scores
    mlp = each * tokens * (2 * w.hidden + 3 * w.mlp)
    norm = tokens * w.hidden * (2 * each + 8)
    decoder = max(attention, mlp, norm) + each * tokens**2 + each * tokens * w.hidden
    kept = each * w.layers * inner + caches * 2 * each * w.layers * tokens * pairs
    tower = each * max(
        3 * mels * w.tower,  # the first convolution, and its activation
        states * (4 * w.tower + 2 * w.tower_mlp),
        states * 7 * w.tower,
    )
    return round(_BESIDE * clips * (max(decoder, tower) + kept + 4 * mels * 128))
