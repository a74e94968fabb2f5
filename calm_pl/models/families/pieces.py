"""Attention of Omni's audio towers: all pieces of sound in one call or two, rather than one call per piece.

The towers attend within pieces of 2 s (Qwen2.5-Omni) or 8 s (Qwen3-Omni). Without flash attention,
transformers runs one after another in each layer, and copies their lengths to the host three times a layer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional


class Group(NamedTuple):
    """Pieces that are attended to together.

    Attributes:
        rows_PT: rows of the tower's sequence, by piece; padding is row 0.
        keys_P11T: which are no padding; None where there is none.
        kept_K: places in the flattened `rows_PT` that are no padding.
        back_K: the rows that these are.
    """

    rows_PT: Tensor
    keys_P11T: Tensor | None
    kept_K: Tensor
    back_K: Tensor


def groups_of(cu_seqlens: Tensor) -> list[Group]:
    """Return the longest pieces as one group, and the others, padded to the longest of them, as another.

    Args:
        cu_seqlens: where the pieces begin, and the end of the last.
    """
    bounds = cu_seqlens.tolist()
    pieces = [range(*ends) for ends in pairwise(bounds) if ends[1] > ends[0]]
    longest = max(map(len, pieces))
    together = ([one for one in pieces if len(one) == longest], [one for one in pieces if len(one) < longest])
    return [_group(some, cu_seqlens.device) for some in together if some]


def _group(pieces: list[range], device: torch.device) -> Group:
    width = max(map(len, pieces))
    rows_PT = torch.tensor([[*one, *[0] * (width - len(one))] for one in pieces])
    keys_PT = torch.tensor([[True] * len(one) + [False] * (width - len(one)) for one in pieces])
    kept_K = keys_PT.flatten().nonzero().squeeze(1)
    keys_P11T = None if bool(keys_PT.all()) else keys_PT[:, None, None].to(device)
    back_K = rows_PT.flatten()[kept_K]
    return Group(rows_PT.to(device), keys_P11T, kept_K.to(device), back_K.to(device))


@contextmanager
def attending_at_once(tower: Any) -> Iterator[None]:
    """Let a tower's layers attend so while this is open; other attention than `sdpa` is left as it is."""
    if tower.config._attn_implementation != "sdpa":
        yield
        return
    known: list[tuple[Tensor, list[Group]]] = []  # of the pass: the layers are given the same tensor
    modules = [layer.self_attn for layer in tower.layers]
    for module in modules:
        module.forward = partial(_attend, module, known)
    try:
        yield
    finally:
        for module in modules:
            del module.forward


def _attend(
    module: Any, known: list[tuple[Tensor, list[Group]]], hidden_states: Tensor, cu_seqlens: Tensor, **_: Any
) -> Tensor:
    """Compute what the module's own forward does."""
    if not known or known[0][0] is not cu_seqlens:
        known[:] = [(cu_seqlens, groups_of(cu_seqlens))]
    q_SHD, k_SHD, v_SHD = (
        project(hidden_states).unflatten(-1, (module.num_heads, -1))
        for project in (module.q_proj, module.k_proj, module.v_proj)
    )
    heard_SHD = torch.empty_like(q_SHD)
    for rows_PT, keys_P11T, kept_K, back_K in known[0][1]:
        q_PHTD, k_PHTD, v_PHTD = (one[rows_PT].transpose(1, 2) for one in (q_SHD, k_SHD, v_SHD))
        heard_PHTD = functional.scaled_dot_product_attention(
            q_PHTD, k_PHTD, v_PHTD, keys_P11T, scale=module.scaling
        )
        heard_SHD[back_K] = heard_PHTD.transpose(1, 2).flatten(0, 1)[kept_K]
    out: Tensor = module.out_proj(heard_SHD.flatten(1))
    return out
