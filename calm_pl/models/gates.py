"""Gates that switch heads on and off: each query head's output, before `o_proj`, times its mask value."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from calm_pl.models.heads import HeadLayout, head_layout, output_projections


class HeadGates:
    """Hooks on a text decoder that multiply the input of every `o_proj`, at every position, by a mask.

    They come before any other hook on `o_proj`, so whoever catches head vectors catches masked ones. With
    ones everywhere nothing changes, bit for bit.

    Args:
        decoder: the text decoder.

    Attributes:
        layout: of its heads.
    """

    def __init__(self, decoder: Any) -> None:
        self.layout: HeadLayout = head_layout(decoder)
        self._mask: Tensor | None = None
        self._ready: dict[tuple[int, torch.device, torch.dtype], Tensor] = {}
        self._handles = [
            projection.register_forward_pre_hook(self._hook(layer), prepend=True)
            for layer, projection in enumerate(output_projections(decoder))
        ]

    def set(self, mask: Tensor | None) -> None:
        """Use a mask from now on.

        Args:
            mask: (L, A) for every row alike, or (N, L, A), one a batch row; gradients go through it. None
                leaves all heads as they are.
        """
        self._mask = mask
        self._ready.clear()

    def remove(self) -> None:
        """Take the hooks off again."""
        for handle in self._handles:
            handle.remove()

    def _hook(self, layer: int) -> Any:
        def gate(module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
            if self._mask is None:
                return None
            x = args[0]
            return (x * self._factors(layer, x), *args[1:])

        return gate

    def _factors(self, layer: int, x: Tensor) -> Tensor:
        """Return a layer's mask expanded to `x`, (A·D,) or (N, 1, A·D); cached for generation."""
        assert self._mask is not None
        key = (layer, x.device, x.dtype)
        if key not in self._ready:
            rows = self._mask[..., layer, :].to(x).repeat_interleave(self.layout.head_dim, -1)
            kept = rows if self._mask.dim() == 2 else rows[:, None]
            if kept.requires_grad:  # belongs to one pass and its graph
                return kept
            self._ready[key] = kept
        return self._ready[key]


class SteppedLayers:
    """Gradient checkpointing of the decoder's layers, for a model that stays in eval mode.

    Transformers checkpoints only what is in training mode, which would switch dropout on as well. Each layer
    keeps its input alone and is run once more in the backward pass. Not for passes with a cache.

    Args:
        decoder: the text decoder.
    """

    def __init__(self, decoder: Any) -> None:
        # Others, such as accelerate, set a `forward` of the object's own too; it must be found again.
        self._own = [(layer, vars(layer).get("forward")) for layer in decoder.layers]
        for layer, _ in self._own:
            layer.forward = _checkpointed(layer.forward)

    def remove(self) -> None:
        """Let the layers run as they did."""
        for layer, forward in self._own:
            del layer.forward
            if forward is not None:
                layer.forward = forward


def _checkpointed(forward: Any) -> Any:
    def run(*args: Any, **kwargs: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*args, **kwargs)
        return checkpoint(forward, *args, use_reentrant=False, **kwargs)

    return run
