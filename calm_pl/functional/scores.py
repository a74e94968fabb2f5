"""Similarity of a clip to each class in each head (eq. 2), and the resulting posteriors (eq. 5)."""

from __future__ import annotations

import torch
from torch import Tensor


def unit(x: Tensor) -> Tensor:
    """Scale `x` to length 1 along its last axis, in float64; a zero vector stays zero."""
    x = x.to(torch.float64)
    norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return x / torch.where(norm > 0, norm, torch.ones_like(norm))


def head_scores(x_NHD: Tensor, centroids_CHD: Tensor, score: str = "cosine") -> Tensor:
    """Return scores s[n, h, c] (eq. 2), (N, H, C) float32.

    Computed in float64 and then rounded: the last float32 bits of a matrix product depend on the batch size,
    and the cosines of a head can be close enough for that to change votes. The cost is negligible compared
    with the model's forward pass.

    Args:
        x_NHD: head vectors, any floating dtype; upcast before any arithmetic.
        centroids_CHD: class centroids.
        score: `cosine`, or `dot` for the raw dot product (table 3, "- L2 norm"). The cosine with a zero
            vector is 0.
    """
    if score == "cosine":
        x_NHD, centroids_CHD = unit(x_NHD), unit(centroids_CHD)
    x_HND = x_NHD.to(torch.float64).transpose(0, 1)
    centroids_HDC = centroids_CHD.to(torch.float64).permute(1, 2, 0)
    return torch.bmm(x_HND, centroids_HDC).transpose(0, 1).to(torch.float32)


def posteriors(s_NHC: Tensor, tau_p: float) -> Tensor:
    """Return posteriors p[n, h, c] = softmax over c of s/τ_p (eq. 5), (N, H, C) float32."""
    s_NHC = s_NHC.to(torch.float32)
    # The largest first becomes 0: s/τ_p itself overflows for very small τ_p.
    return torch.softmax((s_NHC - s_NHC.amax(-1, keepdim=True)) / tau_p, dim=-1)
