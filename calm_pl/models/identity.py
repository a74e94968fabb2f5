"""Identify a model's weights and configuration by what they are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

_WHOLE_BYTES = 2**16
_ROW_WORDS = 1024
# What float16 holds with all of bfloat16's digits: a checkpoint of 16 bits comes out of either alike.
_LEAST, _MOST = 2.0**-14, 2.0**16
_AT_ONCE = 2**18  # stays in the processor's cache
# What says where a configuration came from or how it is run, and changes no vector or is an identity's own.
_NO_SETTING = ("transformers_version", "architectures", "dtype", "torch_dtype", "use_cache", "name_or_path")


def weights_fingerprint(model: nn.Module, whatever_dtype: bool = False) -> str:
    """Hash every tensor's name, shape and dtype, and sums that every one of its bytes is part of (SHA-256).

    Tensors of up to 64 KiB are hashed whole. Larger ones are laid out as 64-bit words in rows of 1,024; the
    sums of all rows and of all columns, modulo 2^64, are hashed: a change of any value is seen, at the speed
    of memory rather than of SHA-256, and on the GPU where the weights are there (`benchmarks/identity.py`).
    It is no proof against forgery; `parameters_hash` is.

    Args:
        model: the model.
        whatever_dtype: leave the dtype out and round values to bfloat16, those up to 2^-14 to zero: a
            checkpoint of 16 bits then has one fingerprint, whether it is loaded in 32 bits or either 16.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        dtype = "" if whatever_dtype else tensor.dtype
        digest.update(f"{name} {tuple(tensor.shape)} {dtype}".encode())
        for part in _parts(tensor) if whatever_dtype else [tensor]:
            _update(digest, part)
    return digest.hexdigest()


def _parts(tensor: Tensor) -> Iterator[Tensor]:
    """Yield a tensor's values rounded as `whatever_dtype` asks, some at a time."""
    for part in tensor.detach().reshape(-1).split(_AT_ONCE):
        yield functional.hardshrink(part.to(torch.bfloat16), _LEAST).clamp(-_MOST, _MOST)


def _update(digest: Any, tensor: Tensor) -> None:
    """Hash a tensor's bytes, or the sums of a large one's words."""
    bytes_B = tensor.detach().contiguous().reshape(-1).view(torch.uint8)
    if len(bytes_B) <= _WHOLE_BYTES:
        digest.update(bytes_B.cpu().numpy().tobytes())
        return
    if bytes_B.storage_offset() % 8:
        bytes_B = bytes_B.clone()
    inside = len(bytes_B) // (8 * _ROW_WORDS) * 8 * _ROW_WORDS
    words_RW = bytes_B[:inside].view(torch.int64).view(-1, _ROW_WORDS)
    for part in (words_RW.sum(1), words_RW.sum(0), bytes_B[inside:]):
        digest.update(part.cpu().numpy().tobytes())


def parameters_hash(model: nn.Module) -> str:
    """Hash all values of all parameters and buffers (SHA-256): proves that nothing was trained."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def config_fingerprint(config: Any) -> str:
    """Hash a model's settings that are not their class's defaults (SHA-256).

    Equal weights give other vectors with another base of the rotary embedding, or another activation.
    Defaults are left out: each version of transformers adds some.

    Args:
        config: the configuration of a `transformers` model.
    """
    return hashlib.sha256(json.dumps(_settings(config), sort_keys=True, default=str).encode()).hexdigest()


def _settings(config: Any) -> dict[str, Any]:
    parts = {name: _settings(part) for name, part in vars(config).items() if hasattr(part, "to_diff_dict")}
    usual = type(config)().to_dict()
    return {
        name: value
        for name, value in {**config.to_dict(), **parts}.items()
        if name not in _NO_SETTING and not name.startswith("_")
        if name == "model_type" or value != usual.get(name, _NO_SETTING)
    }
