"""Identify a model's weights without reading all of them."""

from __future__ import annotations

import hashlib

import torch
from torch import nn

_SAMPLE = 512


def weights_fingerprint(model: nn.Module, whatever_dtype: bool = False) -> str:
    """Hash every parameter's name, shape, dtype and `_SAMPLE` values from its start and middle (SHA-256).

    Tells apart any two checkpoints that differ in whole tensors, as trained ones do, in a second at 7B. A
    change of single values elsewhere in a tensor goes unseen; `parameters_hash` sees it.

    Args:
        model: the model.
        whatever_dtype: leave the dtype out and round values to bfloat16: one checkpoint then has one
            fingerprint, whether it is loaded in 32 or 16 bits.
    """
    digest = hashlib.sha256()
    for name, parameter in sorted(model.named_parameters()):
        flat = parameter.detach().reshape(-1)
        middle = len(flat) // 2
        sample = torch.cat([flat[:_SAMPLE], flat[middle : middle + _SAMPLE]]).to(torch.float32)
        dtype = "" if whatever_dtype else parameter.dtype
        if whatever_dtype:
            sample = sample.to(torch.bfloat16).to(torch.float32)
        digest.update(f"{name} {tuple(parameter.shape)} {dtype}".encode())
        digest.update(sample.cpu().numpy().tobytes())
    return digest.hexdigest()


def parameters_hash(model: nn.Module) -> str:
    """Hash all values of all parameters and buffers (SHA-256): proves that nothing was trained."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
