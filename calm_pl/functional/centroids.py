"""Per-class centroids of every head (eq. 1), from sums that may cross ranks."""

from __future__ import annotations

import torch
from torch import Tensor

from calm_pl.functional.chunks import clip_chunks


def class_sums(x_NHD: Tensor, y_N: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """Sums and counts of head vectors per class, in float64.

    Sums of disjoint sets of clips add up to the sums of their union, so this is what ranks exchange.
    Whatever the dtype of `x_NHD`, it is accumulated in float64: in 16 bit a few thousand vectors bend the
    direction of their sum, and in float64 the order of clips and ranks does not show after rounding.

    Args:
        x_NHD: head vectors, any floating dtype.
        y_N: class indices in [0, C), int64.
        num_classes: C.

    Returns:
        sums (C, H, D) float64 and counts (C,) float64.
    """
    _, heads, dim = x_NHD.shape
    sums_CHD = torch.zeros(num_classes, heads, dim, dtype=torch.float64, device=x_NHD.device)
    for chunk in clip_chunks(len(x_NHD), heads * dim):
        sums_CHD.index_add_(0, y_N[chunk], x_NHD[chunk].to(torch.float64))
    counts_C = torch.bincount(y_N, minlength=num_classes).to(torch.float64)
    return sums_CHD, counts_C


def centroids_from_sums(sums_CHD: Tensor, counts_C: Tensor) -> Tensor:
    """Centroids μ[c, h] (eq. 1), (C, H, D) float32. A class without clips has a zero centroid."""
    return (sums_CHD / counts_C.clamp(min=1)[:, None, None]).to(torch.float32)


def live_heads(centroids_CHD: Tensor) -> Tensor:
    """Heads with a direction in any class, (H,) bool; the others were switched off by a mask.

    A zero vector has the same cosine, 0, with every class: such a head has no vote and no weight. Where no
    head lives, all count alike.
    """
    live_H = centroids_CHD.ne(0).any(-1).any(0)
    return live_H if bool(live_H.any()) else torch.ones_like(live_H)
