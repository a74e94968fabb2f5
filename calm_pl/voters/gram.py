"""Inner products of all support clips, whose vectors are on several ranks."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from calm_pl.functional import FoldedClips, balanced_folds, clip_chunks, unit
from calm_pl.voters.support import Support

MAX_CLIPS = 10_000
"""Maximum number of support clips over all ranks: the dual needs a few (N, N) float64 matrices, of 0.8 GB
each at this size."""

_BLOCK = 2**20
"""Values of unit vectors at once: 8 MiB in float64, which the allocator reuses."""
_LEAST_HEADS = 8  # of a block whose products are summed over many clips
_PANELS = 8


class Places(NamedTuple):
    """The clips of all ranks in one order, rank 0 first; the same on every rank.

    Attributes:
        y_N: class indices.
        own: the positions of this rank's clips.
    """

    y_N: Tensor
    own: slice


def clip_places(support: Support) -> Places:
    """Return the positions of this rank's clips among those of all ranks.

    Raises:
        ValueError: more than `MAX_CLIPS` clips, or a `gather_support` that was not given all ranks.
    """
    device = support.device
    seen = int(support.all_reduce(torch.ones(1, device=device)))
    if seen != support.num_ranks:
        raise ValueError(
            f"Expected `gather_support` to be given num_ranks={seen}, and `rank`, but got"
            f" num_ranks={support.num_ranks}."
        )
    sizes = torch.zeros(support.num_ranks, dtype=torch.int64, device=device)
    sizes[support.rank] = len(support.y_N)
    sizes = support.all_reduce(sizes)
    total = int(sizes.sum())
    if total > MAX_CLIPS:
        raise ValueError(
            f"Expected at most {MAX_CLIPS:,} support clips for a discriminant analysis, but got {total:,};"
            " use fewer clips per class."
        )
    start = int(sizes[: support.rank].sum())
    own = slice(start, start + len(support.y_N))
    y_N = torch.zeros(total, dtype=torch.int64, device=device)
    y_N[own] = support.y_N
    return Places(support.all_reduce(y_N), own)


def folded_clips(support: Support, places: Places) -> FoldedClips:
    """Return the clips of all ranks with their folds, independent of the order of clips and heads."""
    heads, dim = support.x_NHD.shape[1:]
    likeness_n = torch.zeros(len(support.y_N), dtype=torch.float64, device=support.device)
    # Decided by the clips of all ranks, so that all ranks take the same heads.
    for some in clip_chunks(heads, len(places.y_N) * dim, _BLOCK):
        u_nF = unit(support.vectors(heads=some)).flatten(1)
        likeness_n += u_nF @ support.all_reduce(u_nF.sum(0))
    fold_N = balanced_folds(places.y_N, over_ranks(support, places, likeness_n), len(support.classes))
    also_NC = support.also_NC
    if also_NC is not None:
        also_NC = over_ranks(support, places, also_NC.to(torch.int64)).bool()
    return FoldedClips(places.y_N, fold_N, also_NC)


def over_ranks(support: Support, places: Places, rows: Tensor) -> Tensor:
    """Place this rank's rows (n, ...) among those of all ranks, (N, ...)."""
    if support.num_ranks == 1:
        return rows
    full = torch.zeros(len(places.y_N), *rows.shape[1:], dtype=rows.dtype, device=rows.device)
    full[places.own] = rows
    return support.all_reduce(full)


def clip_gram(support: Support, places: Places, weights_H: Tensor) -> Tensor:
    """Return inner products Σ_h w_h·<u_mh, u_nh> of unit head vectors of all clips, (N, N) float64.

    Ranks exchange vectors a few heads at a time, so no rank ever holds all vectors of another.
    """
    total = len(places.y_N)
    _, heads, dim = support.x_NHD.shape
    gram_NN = torch.zeros(total, total, dtype=torch.float64, device=support.device)
    panels = list(clip_chunks(total, 1, -(-total // _PANELS)))
    step = max(_LEAST_HEADS, _BLOCK // (total * dim))
    for some in clip_chunks(heads, 1, step):
        root_h1 = weights_H[some].to(torch.float64).sqrt()[:, None]
        block_NF = over_ranks(support, places, (unit(support.vectors(heads=some)) * root_h1).flatten(1))
        for rows in panels:  # the products are symmetric: those up to the diagonal are enough
            gram_NN[rows, : rows.stop].addmm_(block_NF[rows], block_NF[: rows.stop].T)
    for rows in panels:
        gram_NN[: rows.start, rows] = gram_NN[rows, : rows.start].T
    return gram_NN


def class_weights(support: Support, weights_H: Tensor, coefficients_NC: Tensor) -> Tensor:
    """Return class weights Σ_n coefficients[n, c]·w·u_n over all ranks, (C, H, D) float64.

    They apply to unit head vectors: w includes √w both for the features of the fit and for those it is
    applied to.

    Args:
        support: this rank's clips.
        weights_H: as for `clip_gram`.
        coefficients_NC: those of this rank's clips.
    """
    sums_CHD = torch.empty_like(support.centroids_CHD, dtype=torch.float64)
    num_clips, heads, dim = support.x_NHD.shape
    for some in clip_chunks(heads, num_clips * dim, _BLOCK):
        sums_CF = coefficients_NC.T @ unit(support.vectors(heads=some)).flatten(1)
        sums_CHD[:, some] = sums_CF.unflatten(1, (-1, dim)) * weights_H[some].to(torch.float64)[:, None]
    return support.all_reduce(sums_CHD)
