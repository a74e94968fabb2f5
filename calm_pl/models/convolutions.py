"""Float32 convolutions as such: on NVIDIA GPUs PyTorch lets cuDNN round their inputs to 10 bits (TF32)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.backends import cudnn


def without_tf32(model: nn.Module) -> None:
    """Let a model's float32 convolutions run without TF32; after each, PyTorch's setting is what it was.

    Settings of single operators (`torch.backends.cudnn.conv.fp32_precision`) are somebody's choice, and stay.
    """
    for module in model.modules():
        if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d)):
            allowed: list[bool] = []
            module.register_forward_pre_hook(_forbid(allowed))
            # In reverse order, as a model may be wrapped twice.
            module.register_forward_hook(_restore(allowed), prepend=True, always_call=True)


def _forbid(allowed: list[bool]) -> Any:
    def hook(module: nn.Module, args: tuple[Any, ...]) -> None:
        x = args[0]
        if x.device.type == "cuda" and x.dtype == torch.float32:
            try:
                allowed.append(cudnn.allow_tf32)
            except RuntimeError:  # single operators are set
                return
            cudnn.allow_tf32 = False

    return hook


def _restore(allowed: list[bool]) -> Any:
    def hook(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        if allowed:
            cudnn.allow_tf32 = allowed.pop()

    return hook
