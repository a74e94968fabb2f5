"""Per-class centroids of every head (eq. 1), from sums that ranks can add up."""

from __future__ import annotations

import torch
from torch import Tensor

from calm_pl.functional.chunks import clip_chunks

_BLOCK = 2**20  # values upcast at once: 8 MiB, which the allocator reuses; 128 MiB took five times as long


def class_sums(x_NHD: Tensor, y_N: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """Sum and count head vectors per class, in float64.

    Sums of disjoint sets of clips add up to the sums of their union, so this is what ranks exchange. They are
    accumulated in float64 whatever the dtype of `x_NHD`: in 16 bit, rounding over a few thousand vectors
    changes the direction of the sum, while in float64 the order of clips and ranks makes no difference after
    rounding.

    Args:
        x_NHD: head vectors, any floating dtype.
        y_N: class indices in [0, C), int64; sums are computed on their device.
        num_classes: C.

    Returns:
        sums (C, H, D) float64 and counts (C,) float64.
    """
    _, heads, dim = x_NHD.shape
    sums_CHD = torch.zeros(num_classes, heads, dim, dtype=torch.float64, device=y_N.device)
    for chunk in clip_chunks(len(x_NHD), heads * dim, _BLOCK):
        sums_CHD.index_add_(0, y_N[chunk], x_NHD[chunk].to(y_N.device, torch.float64))
    counts_C = torch.bincount(y_N, minlength=num_classes).to(torch.float64)
    return sums_CHD, counts_C


def centroids_from_sums(sums_CHD: Tensor, counts_C: Tensor) -> Tensor:
    """Return centroids μ[c, h] (eq. 1), (C, H, D) float32. A class without clips has a zero centroid."""
    return (sums_CHD / counts_C.clamp(min=1)[:, None, None]).to(torch.float32)


def live_heads(centroids_CHD: Tensor) -> Tensor:
    """Return which heads have a non-zero centroid, (H,) bool; the others are switched off by a mask.

    A zero vector has the same cosine, 0, with every class: such a head has no vote and no weight. If all
    heads are off, all have equal weight.
    """
    live_H = centroids_CHD.ne(0).any(-1).any(0)
    return live_H if bool(live_H.any()) else torch.ones_like(live_H)
