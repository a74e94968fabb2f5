"""Similarity of a clip to each class in each head (eq. 2), and the resulting posteriors (eq. 5)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from calm_pl.functional.chunks import clip_chunks

_BLOCK = 2**20  # values of centroids that are scaled at once
_CACHED = 2**17
"""Scores that are held at once: 1 MiB in float64, which a core's cache holds."""
_CLIPS = 256
"""Clips that are scored at once: with 53 of them products ran at 32 billion operations per second instead of
50, because no cache holds the centroids of all heads, and they were read that often."""
_COPIES = 16
"""Values to have room for per clip, head and class: one in float64 is two, and a sweep has several τ_p."""
_SCALED = 2**18
"""Values of vectors that are scaled at once: one head at a time took three times as long as eight."""


def unit(x: Tensor) -> Tensor:
    """Scale `x` to length 1 along its last axis, in float64; a zero vector stays zero."""
    x = x.to(torch.float64)
    return x / _lengths(x)


def _lengths(x: Tensor) -> Tensor:
    """Return lengths along the last axis, 1 for zero vectors."""
    norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return norm.masked_fill_(norm == 0, 1)


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
        self._cosine = score == "cosine"
        classes, heads, dim = centroids_CHD.shape
        self.num_heads, self.num_classes = heads, classes
        self._centroids_HCD = torch.empty(
            heads, classes, dim, dtype=torch.float64, device=centroids_CHD.device
        )
        for block in clip_chunks(heads, classes * dim, _BLOCK):
            self._scale(centroids_CHD[:, block], self._centroids_HCD[block])

    @property
    def num_bytes(self) -> int:
        """Memory that the scaled centroids take."""
        return self._centroids_HCD.numel() * self._centroids_HCD.element_size()

    def chunks(self, num_clips: int, least: int = 1) -> Iterator[slice]:
        """Return slices that divide clips into as many as are best scored at once.

        Args:
            num_clips: how many there are.
            least: as for `blocks`.
        """
        _, classes, dim = self._centroids_HCD.shape
        return clip_chunks(num_clips, _COPIES * least * max(classes, dim), most=_CLIPS)

    def blocks(self, x_NHD: Tensor, least: int = 1) -> Iterator[tuple[slice, Tensor]]:
        """Yield scores of a few heads at a time, so that they stay in a core's cache: heads, and (N, h, C).

        Args:
            x_NHD: vectors of all heads, any floating dtype; upcast before any arithmetic.
            least: heads of a block, if there are as many.
        """
        clips, heads, dim = x_NHD.shape
        step = max(least, _CACHED // max(1, clips * self.num_classes))
        together = max(1, _SCALED // max(1, step * clips * dim)) * step
        for first in range(0, heads, together):
            x_HND = self._scale(x_NHD[:, first : first + together])
            for start in range(0, len(x_HND), step):
                some = slice(first + start, first + min(start + step, len(x_HND)))
                yield some, self._products(x_HND[start : start + step], some)

    def __call__(self, x_NHD: Tensor) -> Tensor:
        """Return scores s[n, h, c] of all heads, (N, H, C) float32; `x_NHD` as in `blocks`."""
        return self._products(self._scale(x_NHD), slice(None))

    def _products(self, x_HND: Tensor, heads: slice) -> Tensor:
        return torch.bmm(x_HND, self._centroids_HCD[heads].mT).to(torch.float32).transpose(0, 1)

    def _scale(self, x_NHD: Tensor, out_HND: Tensor | None = None) -> Tensor:
        """Return vectors by head, (H, N, D) float64, of length 1 for cosines."""
        clips, heads, dim = x_NHD.shape
        if out_HND is None:
            out_HND = torch.empty(heads, clips, dim, dtype=torch.float64, device=x_NHD.device)
        out_HND.copy_(x_NHD.transpose(0, 1))
        return out_HND.div_(_lengths(out_HND)) if self._cosine else out_HND


def head_scores(x_NHD: Tensor, centroids_CHD: Tensor, score: str = "cosine") -> Tensor:
    """Return scores s[n, h, c] (eq. 2), (N, H, C) float32; see `HeadScorer`, which keeps the centroids."""
    return HeadScorer(centroids_CHD, score)(x_NHD)


def candidate_scores(s_NHC: Tensor, candidates_NC: Tensor | None) -> Tensor:
    """Return scores, with -infinity for classes that are not candidates; all are where None."""
    return s_NHC if candidates_NC is None else s_NHC.masked_fill(~candidates_NC[:, None], -torch.inf)


def posteriors(s_NHC: Tensor, tau_p: float) -> Tensor:
    """Return posteriors p[n, h, c] = softmax over c of s/τ_p (eq. 5), (N, H, C) float32."""
    s_NHC = s_NHC.to(torch.float32)
    # The largest first becomes 0: s/τ_p itself overflows for very small τ_p.
    return torch.softmax((s_NHC - s_NHC.amax(-1, keepdim=True)).div_(tau_p), dim=-1)
