"""Gaussian discriminants of single heads: class means and a covariance of the head's own."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from calm_pl.functional.whitening import FLOOR, ScatterSums


class HeadDiscriminants(NamedTuple):
    """score[n, h, c] = <w[c, h], x[n, h]> + b[c, h], a log-density up to a constant of the clip.

    Attributes:
        weights_CHD: P·μ, float64.
        bias_CH: -½·μ·P·μ, float64.
    """

    weights_CHD: Tensor
    bias_CH: Tensor

    def scores(self, x_NHD: Tensor) -> Tensor:
        """Return the scores of clips, (N, H, C) float64."""
        products_HNC = torch.bmm(x_NHD.to(torch.float64).transpose(0, 1), self.weights_CHD.permute(1, 2, 0))
        return products_HNC.transpose(0, 1) + self.bias_CH.T


def head_discriminants(means_CHD: Tensor, sums: ScatterSums, counts_C: Tensor) -> HeadDiscriminants:
    """Return the discriminants of each head under P = ((W + λ·I)/(N - C))^(-1), λ = tr(W)/(N - 1).

    The shrinkage is that of arXiv 2402.04087 with F = D, one head's dimension.

    Args:
        means_CHD: class means.
        sums: within-class scatter W and energy over the same clips.
        counts_C: clips per class.
    """
    num_clips = float(counts_C.sum())
    scatter_HDD = sums.scatter_HDD.to(torch.float64)
    trace_H = scatter_HDD.diagonal(dim1=1, dim2=2).sum(-1).clamp(min=0)
    # One clip per class has no scatter: P is then a multiple of the identity.
    ridge_H = (trace_H + FLOOR * sums.energy_H.clamp(min=0)) / max(1.0, num_clips - 1)
    ridge_H = ridge_H.clamp(min=torch.finfo(torch.float64).tiny ** 0.5)  # a head that is always zero
    identity_DD = torch.eye(scatter_HDD.shape[-1]).to(scatter_HDD)
    roots_HDD = torch.linalg.cholesky(scatter_HDD / ridge_H[:, None, None] + identity_DD)
    means_HDC = means_CHD.to(torch.float64).permute(1, 2, 0)
    factor_H11 = (max(1.0, num_clips - len(counts_C)) / ridge_H)[:, None, None]
    weights_HDC = factor_H11 * torch.cholesky_solve(means_HDC, roots_HDD)
    bias_HC = -0.5 * (weights_HDC * means_HDC).sum(1)
    return HeadDiscriminants(weights_HDC.permute(2, 0, 1), bias_HC.T)
