"""Gaussian discriminant analysis in the dual: everything from the N x N Gram matrix of the support clips.

Class means μ_c and one shared within-class scatter W = Σ z zᵀ, z = x - μ_y, over features of F dimensions,
F far above N. The precision is that of a Gaussian whose covariance is shrunk towards a multiple of the
identity, P = ((W + λ·I)/F)^(-1) with λ = ρ·tr(W)/(N - 1); ρ = 1 is the published choice (arXiv 2402.04087).
By Woodbury's identity P is never formed: all that scores need is inner products of clips.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

# Share of the clips' energy that joins the scatter: one clip a class has none, and P is then the identity.
FLOOR = 1e-6
_LEAST_RIDGE = 1e-150  # where every clip is zero


class GdaDual(NamedTuple):
    """What every ρ shares; N clips in the order of the Gram matrix, all float64.

    Attributes:
        gram_NN: inner products of clips.
        y_N: class indices.
        counts_C: clips a class.
        values_N: eigenvalues of the Gram matrix of z, 0 or more.
        clips_KN: clips in the eigenvectors' coordinates, Uᵀ·Z·xᵀ.
        means_KC: class means in those coordinates.
        basis_NK: eigenvectors U.
        num_features: F, the factor of the precision.
    """

    gram_NN: Tensor
    y_N: Tensor
    counts_C: Tensor
    values_N: Tensor
    clips_KN: Tensor
    means_KC: Tensor
    basis_NK: Tensor
    num_features: int


class GdaWeights(NamedTuple):
    """A linear classifier by its coefficients on the support clips.

    Attributes:
        coefficients_NC: class weights are Σ_n coefficients[n, c]·x_n, float64.
        bias_C: -½·μ·P·μ, float64.
    """

    coefficients_NC: Tensor
    bias_C: Tensor


def _minus_class_means(rows_N: Tensor, y_N: Tensor, counts_C: Tensor) -> Tensor:
    """Each row less the mean row of its class."""
    sums_C = torch.zeros(len(counts_C), rows_N.shape[1], dtype=rows_N.dtype, device=rows_N.device)
    means_C = sums_C.index_add_(0, y_N, rows_N) / counts_C[:, None].clamp(min=1)
    return rows_N - means_C[y_N]


def _class_means(columns_N: Tensor, y_N: Tensor, counts_C: Tensor) -> Tensor:
    """Mean column of each class, (rows, C)."""
    sums = torch.zeros(len(columns_N), len(counts_C), dtype=columns_N.dtype, device=columns_N.device)
    return sums.index_add_(1, y_N, columns_N) / counts_C.clamp(min=1)


def gda_dual(gram_NN: Tensor, y_N: Tensor, num_classes: int, num_features: int) -> GdaDual:
    """Decompose the clips' scatter once, O(N³), for any number of ρ.

    Args:
        gram_NN: inner products of the clips' features; computed in float64.
        y_N: class indices, each class at least once.
        num_classes: C.
        num_features: F.
    """
    gram_NN = gram_NN.to(torch.float64)
    counts_C = torch.bincount(y_N, minlength=num_classes).to(torch.float64)
    centred_NN = _minus_class_means(gram_NN, y_N, counts_C)
    scatter_NN = _minus_class_means(centred_NN.T, y_N, counts_C)
    values_N, basis_NK = torch.linalg.eigh((scatter_NN + scatter_NN.T) / 2)
    clips_KN = basis_NK.T @ centred_NN
    return GdaDual(
        gram_NN,
        y_N,
        counts_C,
        values_N.clamp(min=0),
        clips_KN,
        _class_means(clips_KN, y_N, counts_C),
        basis_NK,
        num_features,
    )


def gda_weights(dual: GdaDual, rho: float) -> GdaWeights:
    """The classifier of one ρ; score_c = x·P·μ_c - ½·μ_c·P·μ_c (uniform prior).

    Args:
        dual: from `gda_dual`.
        rho: ρ > 0.
    """
    n = len(dual.y_N)
    lam = _ridge(dual.values_N.sum(), dual.gram_NN.diagonal().sum(), n, rho)
    mean_NC = torch.nn.functional.one_hot(dual.y_N, len(dual.counts_C)).to(torch.float64) / dual.counts_C
    solved_NC = dual.basis_NK @ (dual.means_KC / (lam + dual.values_N)[:, None])
    coefficients_NC = mean_NC - _minus_class_means(solved_NC, dual.y_N, dual.counts_C)
    coefficients_NC = coefficients_NC * (dual.num_features / lam)
    means_CN = _class_means(dual.gram_NN, dual.y_N, dual.counts_C).T
    return GdaWeights(coefficients_NC, -0.5 * (means_CN * coefficients_NC.T).sum(1))


def gda_leave_one_out(dual: GdaDual, rho: float) -> Tensor:
    """Scores of each support clip by the classifier fitted without it, (N, C) float64; O(N²·C).

    Leaving clip n of class y out moves μ_y to μ_y - z/(n_y - 1) and takes n_y/(n_y - 1)·z·zᵀ off W, a change
    of rank one (Sherman and Morrison), and λ follows from what is left. A clip alone in its class has no such
    score: its row is that of the full fit, and the caller leaves it out.
    """
    y_N, n = dual.y_N, len(dual.y_N)
    rows_N = torch.arange(n, device=y_N.device)
    count_N = dual.counts_C[y_N]
    kappa_N = torch.where(count_N > 1, count_N / (count_N - 1).clamp(min=1), torch.zeros_like(count_N))
    means_NC = _class_means(dual.gram_NN, y_N, dual.counts_C)  # x·μ
    means_CC = _class_means(means_NC.T, y_N, dual.counts_C)  # μ·μ
    energy_N = dual.gram_NN.diagonal()
    z_KN = dual.clips_KN - dual.means_KC[:, y_N]
    zz_N = energy_N - 2 * means_NC[rows_N, y_N] + means_CC.diagonal()[y_N]
    lam_N = _ridge((dual.values_N.sum() - kappa_N * zz_N).clamp(min=0), energy_N.sum() - energy_N, n - 1, rho)
    inverse_NK = 1 / (lam_N[:, None] + dual.values_N)

    def form(plain: Tensor, a_KN: Tensor, b_K: Tensor) -> Tensor:
        """a·(W + λ_n·I)^(-1)·b for each clip n: `b_K` is (K, N), one a clip, or (K, C)."""
        weighted_NK = inverse_NK * a_KN.T
        same = b_K is dual.means_KC
        inner = weighted_NK @ b_K if same else (weighted_NK * b_K.T).sum(1)
        return (plain - inner) / (lam_N[:, None] if same else lam_N)

    x_mu_NC = form(means_NC, dual.clips_KN, dual.means_KC)
    z_mu_NC = form(means_NC - means_CC[y_N], z_KN, dual.means_KC)
    zz_form_N = form(zz_N, z_KN, z_KN)
    xz_form_N = form(energy_N - means_NC[rows_N, y_N], dual.clips_KN, z_KN)
    mu_mu_NC = (means_CC.diagonal() - inverse_NK @ dual.means_KC.square()) / lam_N[:, None]
    gain_N = kappa_N / (1 - kappa_N * zz_form_N)  # Sherman-Morrison
    # Bilinear forms of the precision without the clip.
    x_mu_NC = x_mu_NC + (gain_N * xz_form_N)[:, None] * z_mu_NC
    mu_mu_NC = mu_mu_NC + gain_N[:, None] * z_mu_NC.square()
    xz_N = xz_form_N + gain_N * xz_form_N * zz_form_N
    zz_N = zz_form_N + gain_N * zz_form_N.square()
    mu_z_N = z_mu_NC[rows_N, y_N] * (1 + gain_N * zz_form_N)
    # The own mean without the clip: μ - step·z.
    step_N = torch.where(count_N > 1, 1 / (count_N - 1).clamp(min=1), torch.zeros_like(count_N))
    own = (rows_N, y_N)
    x_mu_NC[own] = x_mu_NC[own] - step_N * xz_N
    mu_mu_NC[own] = mu_mu_NC[own] - 2 * step_N * mu_z_N + step_N.square() * zz_N
    return dual.num_features * (x_mu_NC - 0.5 * mu_mu_NC)


def _ridge(trace: Tensor, energy: Tensor, num_clips: int, rho: float) -> Tensor:
    """λ = ρ·tr(W)/(N - 1), and what keeps it above 0 where the scatter is 0."""
    ridge = rho * (trace + FLOOR * energy) / max(1, num_clips - 1)
    return ridge.clamp(min=_LEAST_RIDGE)
