"""Scores of support clips against centroids built without them."""

from __future__ import annotations

import torch
from torch import Tensor

from calm_pl.functional.chunks import clip_chunks

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
    n_N1 = counts_C.to(torch.float64)[y_N][:, None]
    rest_NHD = centroids_CHD[y_N].to(torch.float64).mul_(n_N1[..., None]).sub_(x_NHD)  # (n - 1)·μ'
    rest_NH, length_NH = (torch.linalg.vector_norm(v, dim=-1) for v in (rest_NHD, x_NHD))
    # What the rounding of μ leaves of clips that cancel each other has no direction.
    has_rest_NH = (rest_NH > _ROUNDING * length_NH) & (n_N1 > 1)
    scale_NH = rest_NH * length_NH if score == "cosine" else (n_N1 - 1).expand_as(rest_NH)
    own_NH = rest_NHD.mul_(x_NHD).sum(-1) / scale_NH
    return own_NH.where(has_rest_NH & (scale_NH > 0), 0.0)
