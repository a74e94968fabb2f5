"""Scores of support clips against centroids built without them."""

from __future__ import annotations

import torch
from torch import Tensor

from calm_pl.functional.chunks import clip_chunks
from calm_pl.functional.scores import unit

_BLOCK = 2**18  # values upcast at once: 2 MiB in float64, which the allocator reuses
_ROUNDING = 2.0**-22  # of float32 centroids, relative


def leave_one_out_scores(
    s_NHC: Tensor,
    x_NHD: Tensor,
    y_N: Tensor,
    centroids_CHD: Tensor,
    counts_C: Tensor,
    score: str = "cosine",
) -> Tensor:
    """Replace each clip's score for its own class by the score without the clip in that class.

    Only the clip's own centroid changes, μ' = (n·μ - x)/(n - 1), so it costs only one more dot product per
    clip and head. A clip that is alone in its class has no such score: its entry becomes 0, and the caller
    ignores such clips.

    Args:
        s_NHC: `head_scores(x_NHD, centroids_CHD, score)`.
        x_NHD: head vectors of the support clips.
        y_N: their class indices.
        centroids_CHD: centroids over all support clips.
        counts_C: support clips per class.
        score: `cosine` or `dot`.

    Returns:
        (N, H, C) float32, a new tensor.
    """
    clips, heads, dim = x_NHD.shape
    own_NH = torch.empty(clips, heads, dtype=torch.float64, device=x_NHD.device)
    for some in clip_chunks(heads, clips * dim, _BLOCK):
        own_NH[:, some] = _own_scores(x_NHD[:, some], y_N, centroids_CHD[:, some], counts_C, score)
    index_NH1 = y_N[:, None, None].expand(-1, s_NHC.shape[1], 1)
    return s_NHC.scatter(-1, index_NH1, own_NH[..., None].to(s_NHC.dtype))


def _own_scores(x_NHD: Tensor, y_N: Tensor, centroids_CHD: Tensor, counts_C: Tensor, score: str) -> Tensor:
    """Return each clip's score against its own class without it, (N, H) float64."""
    x_NHD = x_NHD.to(torch.float64)
    n_N11 = counts_C.to(torch.float64)[y_N][:, None, None]
    rest_NHD = n_N11 * centroids_CHD[y_N] - x_NHD
    # What the rounding of μ leaves of clips that cancel each other has no direction.
    lengths_NH1 = [torch.linalg.vector_norm(v, dim=-1, keepdim=True) for v in (rest_NHD, x_NHD)]
    has_rest = (lengths_NH1[0] > _ROUNDING * lengths_NH1[1]) & (n_N11 > 1)
    rest_NHD = torch.where(has_rest, rest_NHD / (n_N11 - 1).clamp(min=1), torch.zeros_like(rest_NHD))
    if score == "cosine":
        x_NHD, rest_NHD = unit(x_NHD), unit(rest_NHD)
    return (x_NHD * rest_NHD).sum(-1)
