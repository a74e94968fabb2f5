"""Inner products of all support clips, whose vectors are on several ranks."""

from __future__ import annotations

from collections.abc import Iterator
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
_LEAST_SHOTS, _MANY = 4, 2**24
"""Clips per class, and values of all clips, from which on float32 products of deviations are worth it."""


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
    gram_NN = torch.zeros(total, total, dtype=torch.float64, device=support.device)
    panels = _panels(total)
    for block_NF in _unit_blocks(support, places, weights_H):
        for rows in panels:  # the products are symmetric: those up to the diagonal are enough
            gram_NN[rows, : rows.stop].addmm_(block_NF[rows], block_NF[: rows.stop].T)
    for rows in panels:
        gram_NN[: rows.start, rows] = gram_NN[rows, : rows.start].T
    return gram_NN


def labelled_gram(support: Support, places: Places, weights_H: Tensor) -> Tensor:
    """Return `clip_gram`, up to rounding, in less than half of the time where there are many clips per class.

    Scatter is made of deviations z = u - μ from class means. With <u, u'> = <z, z'> + <u, μ'> + <μ, u'> -
    <μ, μ'>, only the first part takes products of all pairs of clips. It is computed in float32, in sums of
    few heads which are added in float64: the error is relative to the deviations, however small they are, and
    far below the least ridge, which is 3 % of their mean square (`linear.RHOS`).
    """
    y_N, num_classes = places.y_N, len(support.classes)
    total, heads, dim = len(y_N), *support.x_NHD.shape[1:]
    exact = torch.get_float32_matmul_precision() == "highest"
    if not exact or total < _LEAST_SHOTS * num_classes or total * heads * dim < _MANY:
        return clip_gram(support, places, weights_H)
    counts_C1 = torch.bincount(y_N, minlength=num_classes).to(torch.float64)[:, None]
    gram_NN = torch.zeros(total, total, dtype=torch.float64, device=y_N.device)
    with_means_NC = torch.zeros(total, num_classes).to(gram_NN)
    panels = _panels(total)
    for block_NF in _unit_blocks(support, places, weights_H):
        means_CF = block_NF.new_zeros(num_classes, block_NF.shape[1]).index_add_(0, y_N, block_NF)
        means_CF /= counts_C1
        with_means_NC.addmm_(block_NF, means_CF.T)
        z_NF = (block_NF - means_CF[y_N]).to(torch.float32)
        for rows in panels:
            gram_NN[rows, : rows.stop] += z_NF[rows] @ z_NF[: rows.stop].T
    means_CC = torch.zeros(num_classes, num_classes).to(gram_NN).index_add_(0, y_N, with_means_NC) / counts_C1
    rest_NC = with_means_NC - means_CC[y_N]
    for rows in panels:
        gram_NN[rows, : rows.stop] += rest_NC[rows][:, y_N[: rows.stop]]
        gram_NN[rows, : rows.stop] += with_means_NC[: rows.stop][:, y_N[rows]].T
        gram_NN[: rows.start, rows] = gram_NN[rows, : rows.start].T
    return gram_NN


def _panels(total: int) -> list[slice]:
    return list(clip_chunks(total, 1, -(-total // _PANELS)))


def _unit_blocks(support: Support, places: Places, weights_H: Tensor) -> Iterator[Tensor]:
    """Yield √w·u of a few heads at a time, side by side, of the clips of all ranks: (N, F) float64."""
    _, heads, dim = support.x_NHD.shape
    step = max(_LEAST_HEADS, _BLOCK // (len(places.y_N) * dim))
    for some in clip_chunks(heads, 1, step):
        root_h1 = weights_H[some].to(torch.float64).sqrt()[:, None]
        yield over_ranks(support, places, (unit(support.vectors(heads=some)) * root_h1).flatten(1))


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
