"""Gaussian discriminant analysis in the dual: everything from the N x N Gram matrix of the support clips.

Class means μ_c and one shared within-class scatter W = Σ z zᵀ, z = x - μ_y, over features of F dimensions,
F far above N. The precision is that of a Gaussian whose covariance is shrunk towards a multiple of the
identity, P = ((W + λ·I)/F)^(-1) with λ = ρ·tr(W)/(N - 1); ρ = 1 is the published choice (arXiv 2402.04087).
By Woodbury's identity P is never formed: the scores only need inner products of clips.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

# Share of the clips' energy that joins the scatter: one clip a class has none, and P is then the identity.
FLOOR = 1e-6
_LEAST_RIDGE = 1e-150  # where every clip is zero


class GdaDual(NamedTuple):
    """The part shared by every ρ; N clips in the order of the Gram matrix, all float64.

    Attributes:
        gram_NN: inner products of clips.
        y_N: class indices.
        counts_C: clips per class.
        values_N: eigenvalues of the Gram matrix of z, 0 or more.
        clips_KN: clips in the eigenvectors' coordinates, Uᵀ·Z·xᵀ.
        means_KC: class means in those coordinates.
        basis_NK: eigenvectors U.
        num_features: F, the factor in the precision.
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
    """A linear classifier, given by its coefficients on the support clips.

    Attributes:
        coefficients_NC: class weights are Σ_n coefficients[n, c]·x_n, float64.
        bias_C: -½·μ·P·μ, float64.
    """

    coefficients_NC: Tensor
    bias_C: Tensor


def _minus_class_means(rows_N: Tensor, y_N: Tensor, counts_C: Tensor) -> Tensor:
    """Subtract from each row the mean row of its class."""
    sums_C = torch.zeros(len(counts_C), rows_N.shape[1], dtype=rows_N.dtype, device=rows_N.device)
    means_C = sums_C.index_add_(0, y_N, rows_N) / counts_C[:, None].clamp(min=1)
    return rows_N - means_C[y_N]


def _class_means(columns_N: Tensor, y_N: Tensor, counts_C: Tensor) -> Tensor:
    """Return the mean column of each class, (rows, C)."""
    sums = torch.zeros(len(columns_N), len(counts_C), dtype=columns_N.dtype, device=columns_N.device)
    return sums.index_add_(1, y_N, columns_N) / counts_C.clamp(min=1)


def gda_dual(gram_NN: Tensor, y_N: Tensor, num_classes: int, num_features: int) -> GdaDual:
    """Decompose the clips' scatter once, O(N³), for any number of ρ.

    Args:
        gram_NN: inner products of the clips' features; computed in float64.
        y_N: class indices; every class must occur.
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
    """Return the classifier of one ρ; score_c = x·P·μ_c - ½·μ_c·P·μ_c (uniform prior).

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


def gda_left_out(dual: GdaDual, rhos: Sequence[float], fold_N: Tensor) -> Tensor:
    """Score each support clip by classifiers fitted without its fold, one per ρ, (R, N, C) float64.

    Scores are multiplied by λ_without/λ: the precision scales with 1/λ, and λ depends on the number of clips.
    A gain that calibrates these scores then suits those of the full fit.

    Holding out clips S moves μ_c to μ_c - Σ z/n', with z the held-out clips of the class and n' the number
    that remain, and subtracts Σ z·zᵀ + Σ_c (Σ z)(Σ z)ᵀ/n' from W, a change of rank |S| (Woodbury). λ follows
    from the rest. O(N·(|S| + C)²) per fold and ρ.

    Args:
        dual: from `gda_dual`.
        rhos: each ρ > 0.
        fold_N: folds from 0; no fold may contain a whole class. Clips with a negative fold are never held
            out: their rows come from the full fit, and the caller ignores them.
    """
    one_hot_NC = torch.nn.functional.one_hot(dual.y_N, len(dual.counts_C)).to(torch.float64)
    means_NC = dual.gram_NN @ (one_hot_NC / dual.counts_C)  # x·μ
    means_CC = (one_hot_NC / dual.counts_C).T @ means_NC  # μ·μ
    energy_N = dual.gram_NN.diagonal()
    scores_RNC = torch.zeros(len(rhos), *means_NC.shape).to(means_NC)
    never_N = fold_N < 0
    if bool(never_N.any()):
        for scores_NC, rho in zip(scores_RNC, rhos, strict=True):
            full = gda_weights(dual, rho)
            scores_NC[never_N] = dual.gram_NN[never_N] @ full.coefficients_NC + full.bias_C
    for fold in fold_N[fold_N >= 0].unique().tolist():
        s = (fold_N == fold).nonzero()[:, 0]
        y_SC = one_hot_NC[s]
        left_C = dual.counts_C - y_SC.sum(0)
        # Inner products of the clips that leave and of the class means, (E, E) with E = |S| + C.
        plain_EE = torch.cat(
            [
                torch.cat([dual.gram_NN[s][:, s], means_NC[s]], 1),
                torch.cat([means_NC[s].T, means_CC], 1),
            ]
        )
        in_basis_KE = torch.cat([dual.clips_KN[:, s], dual.means_KC], 1)
        z_SE = torch.cat([torch.eye(len(s)).to(y_SC), -y_SC], 1)
        taken_SS = torch.eye(len(s)).to(y_SC) + (y_SC / left_C) @ y_SC.T
        trace = (dual.values_N.sum() - (taken_SS * (z_SE @ plain_EE @ z_SE.T)).sum()).clamp(min=0)
        trace = trace * (left_C.max() > 1)
        mean_CE = torch.cat([torch.zeros_like(y_SC.T), torch.eye(len(left_C)).to(y_SC)], 1)
        mean_CE = mean_CE - (y_SC / left_C).T @ z_SE
        for scores_NC, rho in zip(scores_RNC, rhos, strict=True):
            full_lam = _ridge(dual.values_N.sum(), energy_N.sum(), len(dual.y_N), rho)
            lam = _ridge(trace, energy_N.sum() - energy_N[s].sum(), len(dual.y_N) - len(s), rho)
            if int(left_C.max()) == 1:  # nothing is left of W, which a difference would show to rounding only
                form_EE = plain_EE
            else:
                # The same inner products through λ·(W + λ·I)^(-1), then without the fold.
                root_K1 = (lam + dual.values_N).rsqrt()[:, None]
                scaled_KE = in_basis_KE * root_K1
                form_EE = plain_EE - scaled_KE.T @ scaled_KE
                z_form_SE = z_SE @ form_EE / lam
                rest_SS = torch.eye(len(s)).to(y_SC) - taken_SS @ z_form_SE @ z_SE.T
                form_EE = form_EE + lam * z_form_SE.T @ torch.linalg.solve(rest_SS, taken_SS @ z_form_SE)
            mean_form_CE = mean_CE @ form_EE
            lengths_C = (mean_form_CE * mean_CE).sum(1)
            scores_NC[s] = (dual.num_features / full_lam) * (mean_form_CE[:, : len(s)].T - 0.5 * lengths_C)
    return scores_RNC


def _ridge(trace: Tensor, energy: Tensor, num_clips: int, rho: float) -> Tensor:
    """Return λ = ρ·tr(W)/(N - 1), kept above 0 if the scatter is 0."""
    ridge = rho * (trace + FLOOR * energy) / max(1, num_clips - 1)
    return ridge.clamp(min=_LEAST_RIDGE)
