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
        scatter_HDD += z_HND.transpose(1, 2) @ z_HND
        energy_H += x.square().sum((0, 2))
    return ScatterSums(scatter_HDD, energy_H)


def whitening(sums: ScatterSums, shrink: float) -> Tensor:
    """Return matrices that whiten row vectors, x·R with R·Rᵀ ∝ A^(-1), (H, D, D) float32, largest entry 1.

    Args:
        sums: over the support clips of all ranks.
        shrink: s in (0, 1]; 1 leaves all directions unchanged.
    """
    dim = sums.scatter_HDD.shape[-1]
    trace_H = sums.scatter_HDD.diagonal(dim1=1, dim2=2).sum(-1)
    ridge_H = _ridge(trace_H, sums.energy_H, shrink, dim)
    identity_DD = torch.eye(dim).to(sums.scatter_HDD)
    # Of size 1, whatever the heads' own: a Cholesky root of tiny numbers would overflow when inverted.
    shape_HDD = (1 - shrink) * sums.scatter_HDD / ridge_H[:, None, None] + identity_DD
    roots_HDD = torch.linalg.cholesky(shape_HDD)
    inverse_HDD = torch.linalg.solve_triangular(roots_HDD, identity_DD.expand_as(roots_HDD), upper=False)
    inverse_HDD = inverse_HDD / inverse_HDD.abs().amax((1, 2), keepdim=True)
    return inverse_HDD.transpose(1, 2).to(torch.float32)


def apply_whitening(x_NHD: Tensor, whitening_HDD: Tensor) -> Tensor:
    """Map head vectors to the whitened space, float64."""
    x_HND = x_NHD.to(torch.float64).transpose(0, 1)
    return torch.bmm(x_HND, whitening_HDD.to(torch.float64)).transpose(0, 1)


def without(sums: ScatterSums, gone: ScatterSums, gone_CHD: Tensor, left_C: Tensor) -> ScatterSums:
    """Return the sums of the remaining clips, around their own means.

    Args:
        sums: over all clips, around the means of all.
        gone: over the removed clips, around the same means.
        gone_CHD: Σ z of the removed clips, z = x - μ.
        left_C: remaining clips per class.
    """
    gone_HCD = gone_CHD.transpose(0, 1)
    moved_HDD = gone_HCD.transpose(1, 2) @ (gone_HCD / left_C[:, None])
    return ScatterSums(sums.scatter_HDD - gone.scatter_HDD - moved_HDD, sums.energy_H - gone.energy_H)


def _ridge(trace: Tensor, energy: Tensor, shrink: float, dim: int) -> Tensor:
    """Return s·tr(W)/D, kept above 0 if the scatter is 0."""
    floor = torch.full_like(energy, torch.finfo(torch.float64).tiny)
    return torch.maximum(shrink * (trace.clamp(min=0) + FLOOR * energy.clamp(min=0)) / dim, floor)
