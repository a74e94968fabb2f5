"""Transductive discriminant analysis: expectation maximisation over labelled and unlabelled clips together.

Classes are Gaussian with one shared covariance, as in `gda`. Support clips keep their labels; query clips get
soft ones, from which means and covariance are estimated again, in turn. As in StatA (arXiv 2501.03729) the
means are anchored: those of the support count as `ANCHOR` further clips, so that a class of which the query
has none stays where it was. The result is averaged with the inductive log-probabilities, with the weight
`trust`: uneven and unclear queries are left to the inductive answer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from calm_pl.functional.calibration import centred
from calm_pl.functional.gda import FLOOR

ANCHOR = 2.0
"""Clips that the mean of a class's support counts for, besides the support clips themselves."""
STEPS = 8
EVEN, UNEVEN = 0.9, 0.7
"""Shares of classes above which a query is even enough for the full weight, and below which it gets none."""
SURE, UNSURE = 0.5, 0.3
"""Certainty of predictions from which on their evenness says enough, and below which it says nothing."""
MOST = 0.5
"""The largest weight of the transductive log-probabilities in the average."""
UNLABELLED = -1


def present_share(log_p_QC: Tensor) -> float:
    """Return how evenly predictions fill the classes: exp(H)/C, H the entropy of their mean; 1 is even.

    The mean over a few clips is uneven by chance, which is as it should be: they say little about classes.
    """
    mean_C = log_p_QC.exp().mean(0)
    return float(torch.special.entr(mean_C).sum().exp()) / log_p_QC.shape[1]


def certainty(log_p_QC: Tensor) -> float:
    """Return how much predictions say of the class: 1 - mean entropy/log C, from 0 to 1."""
    entropy_Q = torch.special.entr(log_p_QC.exp()).sum(1)
    return 1 - float(entropy_Q.mean()) / math.log(log_p_QC.shape[1])


def trust(log_p_QC: Tensor) -> float:
    """Return the weight of the transductive answer, from 0 for an uneven or unclear query to `MOST`.

    Where few classes are present, their clips pull the means of the absent ones over. How evenly the
    inductive answers fill the classes tells such queries apart, if they are certain enough; whether held-out
    support clips among the query gain did not. With two classes, as in detection, one is usually rare, and
    errors hide it: these are always left to the inductive answer.
    """
    if log_p_QC.shape[1] == 2:
        return 0.0
    even = _ramp(present_share(log_p_QC), UNEVEN, EVEN)
    return MOST * even * _ramp(certainty(log_p_QC), UNSURE, SURE)


def _ramp(value: float, none: float, full: float) -> float:
    """Return 0 up to one value, 1 from the other one on, and a straight line between."""
    return min(1.0, max(0.0, (value - none) / (full - none)))


def clip_coordinates(gram_NN: Tensor) -> Tensor:
    """Return coordinates of N clips with these inner products, (N, K) float64, K the rank."""
    values_N, basis_NN = torch.linalg.eigh(gram_NN.to(torch.float64))
    kept_N = values_N > values_N.max().clamp(min=torch.finfo(torch.float64).tiny) * 1e-10
    return basis_NN[:, kept_N] * values_N[kept_N].sqrt()


def transductive_log_posteriors(
    x_NK: Tensor,
    y_N: Tensor,
    log_p_QC: Tensor,
    rhos: Sequence[float],
    shares: Sequence[float],
) -> Tensor:
    """Return log-probabilities (Q, C) float64 of the unlabelled clips after `STEPS` rounds.

    In each round the scores are those of P = ((W + λ·I)/N)^(-1), λ = ρ·tr(W)/(N - 1), averaged over the ρ,
    and are as spread as the inductive ones, so that they are as confident: W is estimated from the clips that
    it then scores, and alone would be far too sure. Classes with a log-probability of -inf stay impossible.

    Args:
        x_NK: coordinates of all clips.
        y_N: class indices, `UNLABELLED` for the Q query clips.
        log_p_QC: inductive log-probabilities of the query clips, in their order.
        rhos: shrinkages ρ.
        shares: weight of each.
    """
    x_NK, log_p_QC = x_NK.to(torch.float64), log_p_QC.to(torch.float64)
    query_N = y_N == UNLABELLED
    impossible_QC = log_p_QC.isneginf()
    spread = _root_mean_square(centred(log_p_QC.masked_fill(impossible_QC, 0)))
    soft_NC = torch.zeros(len(y_N), log_p_QC.shape[1], dtype=torch.float64, device=x_NK.device)
    soft_NC[~query_N] = torch.nn.functional.one_hot(y_N[~query_N], log_p_QC.shape[1]).to(torch.float64)
    anchor_CK = (soft_NC.T @ x_NK) / soft_NC.sum(0)[:, None]
    found_QC = log_p_QC
    for _ in range(STEPS):
        soft_NC[query_N] = found_QC.exp()
        scores_QC = _scores(x_NK, soft_NC, anchor_CK, rhos, shares)[query_N]
        scores_QC = scores_QC * (spread / _root_mean_square(scores_QC))
        found_QC = torch.log_softmax(scores_QC.masked_fill(impossible_QC, -torch.inf), -1)
    return found_QC


def _scores(
    x_NK: Tensor, soft_NC: Tensor, anchor_CK: Tensor, rhos: Sequence[float], shares: Sequence[float]
) -> Tensor:
    """Return the mean of the scores of each ρ, each of spread 1, (N, C), centred."""
    counts_C = soft_NC.sum(0)
    sums_CK = soft_NC.T @ x_NK
    means_CK = (sums_CK + ANCHOR * anchor_CK) / (counts_C + ANCHOR)[:, None]
    crossed_KK = sums_CK.T @ means_CK
    scatter_KK = x_NK.T @ x_NK - crossed_KK - crossed_KK.T + (means_CK.T * counts_C) @ means_CK
    number = len(x_NK)
    trace = scatter_KK.diagonal().sum() + FLOOR * x_NK.square().sum()
    mean_NC = torch.zeros_like(soft_NC)
    for rho, share in zip(rhos, shares, strict=True):
        shape_KK = scatter_KK + rho * trace / max(1, number - 1) * torch.eye(x_NK.shape[1]).to(x_NK)
        weights_KC = torch.cholesky_solve(means_CK.T, torch.linalg.cholesky(shape_KK))
        scores_NC = centred(x_NK @ weights_KC - 0.5 * (means_CK.T * weights_KC).sum(0))
        mean_NC += share * scores_NC / _root_mean_square(scores_NC)
    return mean_NC


def _root_mean_square(values: Tensor) -> Tensor:
    return values.square().mean().sqrt().clamp(min=torch.finfo(torch.float64).tiny)
