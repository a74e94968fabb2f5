"""Similarity of a clip to each class in each head (eq. 2), and the resulting posteriors (eq. 5)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from calm_pl.functional.chunks import clip_chunks

_BLOCK = 2**20  # values of centroids that are scaled at once
_CACHED = 2**17
"""Scores that are held at once: 1 MiB in float64, which a core's cache holds."""


def unit(x: Tensor) -> Tensor:
    """Scale `x` to length 1 along its last axis, in float64; a zero vector stays zero."""
    x = x.to(torch.float64)
    norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return x / torch.where(norm > 0, norm, torch.ones_like(norm))


class HeadScorer:
    """Scores of head vectors against fixed centroids (eq. 2), whose lengths are divided out once.

    Computed in float64 and then rounded: the last float32 bits of a matrix product depend on the batch size,
    and the cosines of a head can be close enough for that to change votes.

    Args:
        centroids_CHD: class centroids, any floating dtype.
        score: `cosine`, or `dot` for the raw dot product (table 3, "- L2 norm"). The cosine with a zero
            vector is 0.
    """

    def __init__(self, centroids_CHD: Tensor, score: str = "cosine") -> None:
        self._scaled = unit if score == "cosine" else _as_float64
        classes, heads, dim = centroids_CHD.shape
        self.num_heads, self.num_classes = heads, classes
        self._centroids_HDC = torch.empty(
            heads, dim, classes, dtype=torch.float64, device=centroids_CHD.device
        )
        for block in clip_chunks(heads, classes * dim, _BLOCK):
            self._centroids_HDC[block] = self._scaled(centroids_CHD[:, block]).permute(1, 2, 0)

    @property
    def num_bytes(self) -> int:
        """Memory that the scaled centroids take."""
        return self._centroids_HDC.numel() * self._centroids_HDC.element_size()

    def blocks(self, num_clips: int, least: int = 1) -> Iterator[slice]:
        """Return slices that divide the heads so that the scores of some clips stay in a core's cache.

        Args:
            num_clips: how many are scored at once.
            least: heads of a block, if there are as many.
        """
        step = max(least, _CACHED // max(1, num_clips * self.num_classes))
        for start in range(0, self.num_heads, step):
            yield slice(start, start + step)

    def __call__(self, x_NHD: Tensor, heads: slice = slice(None)) -> Tensor:
        """Return scores s[n, h, c] of some heads, (N, H, C) float32.

        Args:
            x_NHD: vectors of all heads, any floating dtype; upcast before any arithmetic.
            heads: the heads to score.
        """
        x_HND = self._scaled(x_NHD[:, heads]).transpose(0, 1)
        return torch.bmm(x_HND, self._centroids_HDC[heads]).to(torch.float32).transpose(0, 1)


def head_scores(x_NHD: Tensor, centroids_CHD: Tensor, score: str = "cosine") -> Tensor:
    """Return scores s[n, h, c] (eq. 2), (N, H, C) float32; see `HeadScorer`, which keeps the centroids."""
    return HeadScorer(centroids_CHD, score)(x_NHD)


def _as_float64(x: Tensor) -> Tensor:
    return x.to(torch.float64)


def candidate_scores(s_NHC: Tensor, candidates_NC: Tensor | None) -> Tensor:
    """Return scores, with -infinity for classes that are not candidates; all are where None."""
    return s_NHC if candidates_NC is None else s_NHC.masked_fill(~candidates_NC[:, None], -torch.inf)


def posteriors(s_NHC: Tensor, tau_p: float) -> Tensor:
    """Return posteriors p[n, h, c] = softmax over c of s/τ_p (eq. 5), (N, H, C) float32."""
    s_NHC = s_NHC.to(torch.float32)
    # The largest first becomes 0: s/τ_p itself overflows for very small τ_p.
    return torch.softmax((s_NHC - s_NHC.amax(-1, keepdim=True)) / tau_p, dim=-1)
