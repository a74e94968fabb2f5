"""Multinomial logistic regression in the dual: everything from the N x N Gram matrix of the support clips.

The fit minimises Σ_n cross-entropy + ½·Σ_c |w_c|² over weights w_c = Σ_n a[n, c]·x_n and an unpenalised bias
per class: scikit-learn's `LogisticRegression` with C = 1. At the optimum a[n, c] = [y_n = c] - p_c(x).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

MAX_ROUNDS = 1000
_TOLERANCE = 1e-6  # of the gradient, where probabilities are of order 1
# Clips that are sure of their class bend the loss little, so the curvature is overestimated by less than its
# bound of ½: of 0.01, 0.05 and 0.2 this took the fewest rounds.
_CURVATURE = 0.05


class LogisticFits(NamedTuple):
    """Fits on parts of the same clips, in float64.

    Attributes:
        coefficients_BNC: a, 0 for clips that a fit does not use.
        bias_BC: the bias of each fit.
    """

    coefficients_BNC: Tensor
    bias_BC: Tensor


def logistic_fits(gram_NN: Tensor, y_N: Tensor, num_classes: int, used_BN: Tensor) -> LogisticFits:
    """Fit B times at once, each on its own part of the clips; L-BFGS in the clips' own coordinates.

    Args:
        gram_NN: inner products of the clips' features.
        y_N: class indices.
        num_classes: C.
        used_BN: bool, the clips of each fit; every class must occur.
    """
    gram_NN = gram_NN.to(torch.float64)
    # The bias takes up any shift of the features; without the part that all clips share, fewer rounds do.
    shift_N = gram_NN.mean(0)
    centred_NN = gram_NN - shift_N[:, None] - shift_N + shift_N.mean()
    values_N, basis_NN = torch.linalg.eigh(centred_NN)
    values_N = values_N.clamp(min=0)
    penalty_N1 = 1 / (1 + _CURVATURE * values_N)[:, None]
    rows_NN = basis_NN * (values_N * penalty_N1[:, 0]).sqrt()
    truth_NC = torch.nn.functional.one_hot(y_N, num_classes).to(gram_NN)
    used_BN1 = used_BN[..., None].to(gram_NN)
    # Two classes have two opposite weights here and one in scikit-learn, whose penalty counts it once.
    penalty = 2.0 if num_classes == 2 else 1.0
    w_BNC = torch.zeros(len(used_BN), *truth_NC.shape).to(gram_NN)
    bias_BC = torch.zeros(len(used_BN), num_classes).to(gram_NN)
    solver = torch.optim.LBFGS(
        [w_BNC, bias_BC],
        max_iter=MAX_ROUNDS,
        tolerance_grad=_TOLERANCE,
        tolerance_change=0.0,
        history_size=20,
        line_search_fn="strong_wolfe",
    )

    def loss() -> Tensor:
        """Return the loss and set its gradient by hand: inference mode has no autograd."""
        log_p_BNC = torch.log_softmax(rows_NN @ w_BNC + bias_BC[:, None], -1)
        excess_BNC = (log_p_BNC.exp() - truth_NC) * used_BN1
        bias_BC.grad = excess_BNC.sum(1)
        w_BNC.grad = rows_NN.T @ excess_BNC + penalty * penalty_N1 * w_BNC
        value = 0.5 * penalty * (w_BNC.square() * penalty_N1).sum()
        return value - (log_p_BNC * truth_NC * used_BN1).sum()

    solver.step(loss)
    p_BNC = torch.softmax(rows_NN @ w_BNC + bias_BC[:, None], -1)
    coefficients_BNC = (truth_NC - p_BNC) * used_BN1 / penalty
    return LogisticFits(coefficients_BNC, bias_BC - shift_N @ coefficients_BNC)


def logistic_left_out(gram_NN: Tensor, fits: LogisticFits, fold_N: Tensor) -> Tensor:
    """Score each clip by the fit without its fold, (N, C) float64.

    Args:
        gram_NN: as for `logistic_fits`.
        fits: the first on all clips, then one without each fold.
        fold_N: folds from 0; clips with a negative fold use the first fit.
    """
    scores_BNC = gram_NN.to(torch.float64) @ fits.coefficients_BNC + fits.bias_BC[:, None]
    return scores_BNC[fold_N.clamp(min=-1) + 1, torch.arange(len(fold_N), device=fold_N.device)]
