"""Locate the heads of a model and capture their vectors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from calm_pl.errors import ModelError


class HeadLayout(NamedTuple):
    """The heads of a text decoder.

    Attributes:
        num_layers: L.
        heads_per_layer: A, query heads.
        head_dim: D.
    """

    num_layers: int
    heads_per_layer: int
    head_dim: int

    @property
    def num_heads(self) -> int:
        """H = L·A."""
        return self.num_layers * self.heads_per_layer


def output_projections(decoder: Any) -> list[nn.Linear]:
    """Return `self_attn.o_proj` of each layer of a text decoder, first layer first.

    Found through the decoder, never by name over the whole model: audio encoders have modules of that name
    too.

    Raises:
        ModelError: a decoder without layers, or a layer without attention of that form.
    """
    layers = getattr(decoder, "layers", None)
    if not layers:
        lack = "no `layers`" if layers is None else "0 layers"
        raise ModelError(f"{type(decoder).__name__} has {lack}: there are no heads to be found.")
    projections: list[Any] = [getattr(getattr(layer, "self_attn", None), "o_proj", None) for layer in layers]
    if None in projections:
        raise ModelError(
            f"Layer {projections.index(None)} of {type(decoder).__name__} has no `self_attn.o_proj`: not"
            " every layer has attention heads, or they are called otherwise."
        )
    return projections


def head_layout(decoder: Any) -> HeadLayout:
    """Count the heads; every layer must have the same.

    Raises:
        ModelError: layers without heads, or that differ in their number or dimension.
    """
    shapes = set()
    projections = output_projections(decoder)
    for layer, projection in zip(decoder.layers, projections, strict=True):
        head_dim = int(layer.self_attn.head_dim)
        shapes.add((projection.in_features // head_dim, head_dim))
    if len(shapes) != 1:
        raise ModelError(
            f"The decoder's layers differ in (heads, head dimension): {sorted(shapes)}."
            " Head vectors of one shape (N, H, D) cannot hold them."
        )
    heads, head_dim = shapes.pop()
    return HeadLayout(len(decoder.layers), heads, head_dim)


def last_positions(attention_mask_NT: Tensor, last_n: int) -> Tensor:
    """Return the indices of the last `last_n` prompt tokens of each row, (N, last_n); padding on either side.

    Raises:
        ModelError: a prompt shorter than `last_n`.
    """
    length_N = attention_mask_NT.sum(-1)
    if int(length_N.min()) < last_n:
        raise ModelError(f"last_n_tokens is {last_n}, but a prompt has {int(length_N.min())} tokens.")
    steps = torch.arange(attention_mask_NT.shape[1], device=attention_mask_NT.device)
    last_N = (attention_mask_NT * (steps + 1)).argmax(-1)
    return last_N[:, None] - torch.arange(last_n - 1, -1, -1, device=last_N.device)


class StoppedEarly(Exception):
    """Raised inside a pass once the vectors of all layers that are needed are captured."""


@contextmanager
def tapped(decoder: Any, positions_NK: Tensor, stop_after: int | None = None) -> Iterator[list[Tensor]]:
    """Capture the input of every `o_proj` at `positions_NK` while the block runs.

    Only those positions are copied, (N, K, A·D) a layer; the whole layer is never kept.

    Args:
        decoder: the text decoder.
        positions_NK: K positions of each row.
        stop_after: end the pass with `StoppedEarly` once those of this many layers are caught; None for none.
    """
    caught: list[Tensor] = []
    rows_N1 = torch.arange(len(positions_NK), device=positions_NK.device)[:, None]

    def catch(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        x = args[0]
        caught.append(x[rows_N1.to(x.device), positions_NK.to(x.device)])
        if len(caught) == stop_after:
            raise StoppedEarly

    handles = [projection.register_forward_pre_hook(catch) for projection in output_projections(decoder)]
    try:
        yield caught
    finally:
        for handle in handles:
            handle.remove()


def stack_heads(caught: list[Tensor], layout: HeadLayout) -> Tensor:
    """Stack captured layers as head vectors (N, H, D), layer-major, in the model's dtype.

    Several positions are averaged in float32.
    """
    if len(caught) != layout.num_layers:
        raise ModelError(
            f"Expected one call of o_proj in each of {layout.num_layers} layers, but saw {len(caught)}."
        )
    device = caught[0].device
    x_NLKE = torch.stack([c.to(device) for c in caught], dim=1)
    x_NLE = x_NLKE[:, :, 0] if x_NLKE.shape[2] == 1 else x_NLKE.mean(2, dtype=torch.float32)
    return x_NLE.to(x_NLKE.dtype).reshape(len(x_NLE), layout.num_heads, layout.head_dim)
