"""Heads whitened by their pooled within-class covariance, and scores of clips left out, in closed form.

Head h has the within-class scatter W = Σ z zᵀ over the support clips, z = x - μ[y, h]. Its space is scaled
by A^(-1/2), A = (1 - s)·W + s·tr(W)/D·I, before cosines are taken, so that directions in which clips of one
class differ count for little.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from calm_pl.functional.chunks import clip_chunks

# Share of the clips' energy that joins the scatter's trace: one clip a class has no scatter, and A is then a
# multiple of the identity, which changes no cosine.
FLOOR = 1e-6


class HeadScatter(NamedTuple):
    """Within-class scatter of every head, by its eigenvectors, float64.

    Attributes:
        values_HD: eigenvalues, 0 or more, ascending.
        basis_HDD: eigenvectors in columns.
        energy_H: Σ |x|² over clips.
    """

    values_HD: Tensor
    basis_HDD: Tensor
    energy_H: Tensor


class ScatterSums(NamedTuple):
    """What ranks add up.

    Attributes:
        scatter_HDD: Σ z zᵀ, float64.
        energy_H: Σ |x|², float64.
    """

    scatter_HDD: Tensor
    energy_H: Tensor


def scatter_sums(x_NHD: Tensor, y_N: Tensor, means_CHD: Tensor) -> ScatterSums:
    """Sums over these clips, around class means of all clips; sums of disjoint sets add up."""
    _, heads, dim = x_NHD.shape
    scatter_HDD = torch.zeros(heads, dim, dim, dtype=torch.float64, device=x_NHD.device)
    energy_H = torch.zeros(heads, dtype=torch.float64, device=x_NHD.device)
    for chunk in clip_chunks(len(x_NHD), heads * dim):
        x = x_NHD[chunk].to(torch.float64)
        z_HND = (x - means_CHD[y_N[chunk]]).transpose(0, 1)
        scatter_HDD += z_HND.transpose(1, 2) @ z_HND
        energy_H += x.square().sum((0, 2))
    return ScatterSums(scatter_HDD, energy_H)


def decompose(sums: ScatterSums) -> HeadScatter:
    """Eigenvectors of each head's scatter."""
    values_HD, basis_HDD = torch.linalg.eigh(sums.scatter_HDD)
    return HeadScatter(values_HD.clamp(min=0), basis_HDD, sums.energy_H)


def whitening(scatter: HeadScatter, shrink: float) -> Tensor:
    """Matrices that whiten row vectors, x·R, (H, D, D) float32; scaled so that their largest gain is 1.

    Args:
        scatter: of the support clips.
        shrink: s in (0, 1]; 1 leaves every direction as it is.
    """
    shape_HD = (1 - shrink) * scatter.values_HD + _ridge(
        scatter.values_HD.sum(-1), scatter.energy_H, shrink, scatter.values_HD.shape[-1]
    )[:, None]
    gain_HD = (shape_HD.amin(-1, keepdim=True) / shape_HD).sqrt()
    return (scatter.basis_HDD * gain_HD[:, None]).to(torch.float32)


def apply_whitening(x_NHD: Tensor, whitening_HDD: Tensor) -> Tensor:
    """Head vectors in the whitened space, float64."""
    x_HND = x_NHD.to(torch.float64).transpose(0, 1)
    return torch.bmm(x_HND, whitening_HDD.to(torch.float64)).transpose(0, 1)


def whitened_leave_one_out(
    x_NHD: Tensor,
    y_N: Tensor,
    means_CHD: Tensor,
    counts_C: Tensor,
    scatter: HeadScatter,
    shrink: float,
) -> Tensor:
    """Cosines of each clip with the class means in the space whitened without it, (N, H, C) float32.

    Leaving clip n of class y out moves μ_y to μ_y - z/(n_y - 1) and takes n_y/(n_y - 1)·z zᵀ off W, a change
    of rank one (Sherman and Morrison); the trace follows. A clip alone in its class has no such score: its
    row is that of the full fit, and the caller leaves it out.

    Args:
        x_NHD: these clips, all of them support clips.
        y_N: their class indices.
        means_CHD: class means over all support clips, float64: rounding shows where little scatter is left.
        counts_C: support clips a class.
        scatter: of all support clips.
        shrink: s in (0, 1].
    """
    num_classes, heads, dim = means_CHD.shape
    scores = torch.empty(len(x_NHD), heads, num_classes, dtype=torch.float32, device=x_NHD.device)
    mu_CHD = apply_whitening(means_CHD, scatter.basis_HDD)
    # Some eight arrays of this size are held at once.
    for chunk in clip_chunks(len(x_NHD), 8 * heads * max(num_classes, dim)):
        x = apply_whitening(x_NHD[chunk], scatter.basis_HDD)
        scores[chunk] = _left_out(x, y_N[chunk], mu_CHD, counts_C, scatter, shrink).to(torch.float32)
    return scores


def _left_out(
    x_NHD: Tensor, y_N: Tensor, mu_CHD: Tensor, counts_C: Tensor, scatter: HeadScatter, shrink: float
) -> Tensor:
    """As `whitened_leave_one_out`, in the coordinates of the eigenvectors."""
    count_N1 = counts_C.to(torch.float64)[y_N][:, None]
    shared_N1 = count_N1 > 1
    step_N1 = torch.where(shared_N1, 1 / (count_N1 - 1).clamp(min=1), torch.zeros_like(count_N1))
    kappa_N1 = step_N1 * count_N1
    z_NHD = x_NHD - mu_CHD[y_N]
    trace_NH = (scatter.values_HD.sum(-1) - kappa_N1 * z_NHD.square().sum(-1)).clamp(min=0)
    energy_NH = scatter.energy_H - x_NHD.square().sum(-1)
    ridge_NH = _ridge(trace_NH, energy_NH, shrink, x_NHD.shape[-1])
    inverse_NHD = 1 / ((1 - shrink) * scatter.values_HD + ridge_NH[..., None])
    kappa_N1 = kappa_N1 * (1 - shrink)

    bx_NHD, bz_NHD = inverse_NHD * x_NHD, inverse_NHD * z_NHD
    xx_NH, xz_NH, zz_NH = (bx_NHD * x_NHD).sum(-1), (bx_NHD * z_NHD).sum(-1), (bz_NHD * z_NHD).sum(-1)
    x_mu_NHC = torch.einsum("nhd,chd->nhc", bx_NHD, mu_CHD)
    z_mu_NHC = torch.einsum("nhd,chd->nhc", bz_NHD, mu_CHD)
    mu_mu_NHC = torch.einsum("nhd,chd->nhc", inverse_NHD, mu_CHD.square())
    gain_NH = kappa_N1 / (1 - kappa_N1 * zz_NH)
    xx_NH = xx_NH + gain_NH * xz_NH.square()
    x_mu_NHC = x_mu_NHC + (gain_NH * xz_NH)[..., None] * z_mu_NHC
    mu_mu_NHC = mu_mu_NHC + gain_NH[..., None] * z_mu_NHC.square()
    own_NH1 = y_N[:, None, None].expand(-1, x_NHD.shape[1], 1)
    mu_z_NH = z_mu_NHC.gather(-1, own_NH1)[..., 0] * (1 + gain_NH * zz_NH)
    xz_NH, zz_NH = xz_NH * (1 + gain_NH * zz_NH), zz_NH * (1 + gain_NH * zz_NH)
    x_mu_NHC = x_mu_NHC.scatter_add(-1, own_NH1, (-step_N1 * xz_NH)[..., None])
    own_change_NH = -2 * step_N1 * mu_z_NH + step_N1.square() * zz_NH
    mu_mu_NHC = mu_mu_NHC.scatter_add(-1, own_NH1, own_change_NH[..., None])
    # A zero vector has the cosine 0 with everything.
    lengths_NHC = (xx_NH.clamp(min=0)[..., None] * mu_mu_NHC.clamp(min=0)).sqrt()
    return torch.where(lengths_NHC > 0, x_mu_NHC / lengths_NHC, torch.zeros_like(x_mu_NHC)).clamp(-1, 1)


def _ridge(trace: Tensor, energy: Tensor, shrink: float, dim: int) -> Tensor:
    """s·tr(W)/D, and what keeps it above 0 where the scatter is 0."""
    floor = torch.full_like(energy, torch.finfo(torch.float64).tiny)
    return torch.maximum(shrink * (trace + FLOOR * energy) / dim, floor)
