"""Whiten heads by their pooled within-class covariance, also without some of the clips.

Head h has the within-class scatter W = Σ z zᵀ over the support clips, z = x - μ[y, h]. Its space is scaled
by A^(-1/2), A = (1 - s)·W + s·tr(W)/D·I, before cosines are taken, so that directions in which clips of one
class differ have little influence.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from calm_pl.functional.chunks import clip_chunks

# Share of the clips' energy that joins the scatter's trace: one clip a class has no scatter, and A is then a
# multiple of the identity, which changes no cosine.
FLOOR = 1e-6
_LEAF = 64  # rows of a matrix that are factorised at once
_SINGLE = 1_000.0  # condition up to which float32 loses no more than its last two digits


class ScatterSums(NamedTuple):
    """Sums that ranks add up.

    Attributes:
        scatter_HDD: Σ z zᵀ, float64.
        energy_H: Σ |x|², float64.
    """

    scatter_HDD: Tensor
    energy_H: Tensor


def scatter_sums(x_NHD: Tensor, y_N: Tensor, means_CHD: Tensor) -> ScatterSums:
    """Return sums over these clips, around the class means of all clips; sums of disjoint sets add up."""
    _, heads, dim = x_NHD.shape
    scatter_HDD = torch.zeros(heads, dim, dim, dtype=torch.float64, device=x_NHD.device)
    energy_H = torch.zeros(heads, dtype=torch.float64, device=x_NHD.device)
    for chunk in clip_chunks(len(x_NHD), heads * dim):
        x = x_NHD[chunk].to(torch.float64)
        z_HND = (x - means_CHD[y_N[chunk]]).transpose(0, 1)
        scatter_HDD.baddbmm_(z_HND.mT, z_HND)
        energy_H += torch.linalg.vector_norm(x, dim=(0, 2)).square()
    return ScatterSums(scatter_HDD, energy_H)


def whitening(sums: ScatterSums, shrink: float) -> Tensor:
    """Return matrices that whiten row vectors, x·R with R·Rᵀ ∝ A^(-1), (H, D, D) float32, largest entry 1.

    Args:
        sums: over the support clips of all ranks.
        shrink: s in (0, 1]; 1 leaves all directions unchanged.
    """
    shape_HDD = _shape(sums, shrink)
    identity_DD = torch.eye(shape_HDD.shape[-1]).to(shape_HDD)
    roots_HDD = torch.linalg.cholesky(shape_HDD)
    inverse_HDD = torch.linalg.solve_triangular(roots_HDD, identity_DD.expand_as(roots_HDD), upper=False)
    inverse_HDD = inverse_HDD / inverse_HDD.abs().amax((1, 2), keepdim=True)
    return inverse_HDD.transpose(1, 2).to(torch.float32)


def apply_whitening(x_NHD: Tensor, whitening_HDD: Tensor) -> Tensor:
    """Map head vectors to the whitened space, float64."""
    x_HND = x_NHD.to(torch.float64).transpose(0, 1)
    return torch.bmm(x_HND, whitening_HDD.to(torch.float64)).transpose(0, 1)


def whitened_cosines(x_NHD: Tensor, means_CHD: Tensor, sums: ScatterSums, shrink: float) -> Tensor:
    """Return cosines of head vectors with class means in the whitened space, (N, H, C) float32.

    The same as cosines after `apply_whitening`, but no matrix is inverted: for a few hundred vectors that
    takes longer than everything else. The condition of A is at most 1 + D·(1 - s)/s; up to 1,000, which is
    s = 0.12 for D = 128, its root is computed in float32, and cosines are then exact to about 1e-6.

    Args:
        x_NHD: head vectors.
        means_CHD: class means.
        sums: over the support clips of all ranks.
        shrink: s in (0, 1].
    """
    dim = x_NHD.shape[-1]
    single = 1 + dim * (1 - shrink) / shrink <= _SINGLE
    dtype = torch.float32 if single else torch.float64
    parts = [_shape(sums, shrink), *(_scaled(x.transpose(0, 1)) for x in (x_NHD, means_CHD))]
    v_HMD = _times_root(torch.cat([part.to(dtype) for part in parts], 1))
    norm_HM1 = torch.linalg.vector_norm(v_HMD, dim=-1, keepdim=True)
    v_HMD /= norm_HM1.masked_fill_(norm_HM1 == 0, 1)
    v_HND, u_HCD = v_HMD.split([len(x_NHD), len(means_CHD)], 1)
    return torch.bmm(v_HND, u_HCD.mT).to(torch.float32).transpose(0, 1)


def _scaled(x_HND: Tensor) -> Tensor:
    """Return vectors with a largest value of 1: their size may be beyond float32 once it is squared."""
    largest_HN1 = x_HND.abs().amax(-1, keepdim=True)
    return x_HND / largest_HN1.clamp(min=torch.finfo(torch.float64).tiny)


def without(sums: ScatterSums, gone: ScatterSums, gone_CHD: Tensor, left_C: Tensor) -> ScatterSums:
    """Return the sums of the remaining clips, around their own means.

    Args:
        sums: over all clips, around the means of all.
        gone: over the removed clips, around the same means.
        gone_CHD: Σ z of the removed clips, z = x - μ.
        left_C: remaining clips per class.
    """
    gone_HCD = gone_CHD.transpose(0, 1)
    left_HDD = sums.scatter_HDD - gone.scatter_HDD
    left_HDD.baddbmm_(gone_HCD.mT, gone_HCD / left_C[:, None], alpha=-1)
    return ScatterSums(left_HDD, sums.energy_H - gone.energy_H)


def _shape(sums: ScatterSums, shrink: float) -> Tensor:
    """Return A divided by its ridge s·tr(W)/D, (H, D, D) float64."""
    dim = sums.scatter_HDD.shape[-1]
    trace_H = sums.scatter_HDD.diagonal(dim1=1, dim2=2).sum(-1)
    ridge_H = _ridge(trace_H, sums.energy_H, shrink, dim)
    # Of size 1, whatever the heads' own: a Cholesky root of tiny numbers would overflow when inverted.
    shape_HDD = ((1 - shrink) / ridge_H)[:, None, None] * sums.scatter_HDD
    shape_HDD.diagonal(dim1=1, dim2=2).add_(1)
    return shape_HDD


def _times_root(stacked_HMD: Tensor) -> Tensor:
    """Return b·L^(-T) for the matrix A = L·Lᵀ in the first D rows and the vectors b in the others.

    By halves: matrix products are several times faster than factorising whole matrices of this size.
    """
    dim = stacked_HMD.shape[-1]
    if dim <= _LEAF:
        root_HDD = torch.linalg.cholesky(stacked_HMD[:, :dim])
        return torch.linalg.solve_triangular(root_HDD.mT, stacked_HMD[:, dim:], upper=True, left=False)
    half = dim // 2
    root_Hdd = torch.linalg.cholesky(stacked_HMD[:, :half, :half])
    first = torch.linalg.solve_triangular(root_Hdd.mT, stacked_HMD[:, half:, :half], upper=True, left=False)
    rest = torch.baddbmm(stacked_HMD[:, half:, half:], first, first[:, : dim - half].mT, alpha=-1)
    return torch.cat([first[:, dim - half :], _times_root(rest)], -1)


def _ridge(trace: Tensor, energy: Tensor, shrink: float, dim: int) -> Tensor:
    """Return s·tr(W)/D, kept above 0 if the scatter is 0."""
    floor = torch.full_like(energy, torch.finfo(torch.float64).tiny)
    return torch.maximum(shrink * (trace.clamp(min=0) + FLOOR * energy.clamp(min=0)) / dim, floor)
