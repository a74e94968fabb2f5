"""Reliability of heads: evidence per clip, its mean per class, shrinkage."""

from __future__ import annotations

import torch
from torch import Tensor


def clip_reliability(p_NHC: Tensor, y_N: Tensor, kind: str = "margin_clamped") -> Tensor:
    """Return each head's evidence for the true class of each clip, (N, H) float32.

    Args:
        p_NHC: posteriors (eq. 5), C >= 2.
        y_N: true class indices.
        kind: `margin_clamped`, max(0, p_y - max of the others) (eq. 6); `margin`, the same unclamped;
            `prob`, p_y (table 3, "- margin"); `brier`, 2·p_y - Σ p².
    """
    true_NH = p_NHC.gather(-1, _index(p_NHC, y_N)).squeeze(-1)
    if kind == "prob":
        return true_NH
    if kind == "brier":
        return 2 * true_NH - p_NHC.square().sum(-1)
    margin_NH = true_NH - _highest_other(p_NHC, y_N)
    return margin_NH.clamp(min=0) if kind == "margin_clamped" else margin_NH


def is_highest(s_NHC: Tensor, y_N: Tensor) -> Tensor:
    """Return whether the true class is the first with the highest score, (N, H) bool.

    The same as comparing with `argmax`, which takes several times as long.
    """
    true_NH = s_NHC.gather(-1, _index(s_NHC, y_N)).squeeze(-1)
    other_NH = _highest_other(s_NHC, y_N)
    tied_NH, highest_NH = true_NH == other_NH, true_NH > other_NH
    if bool(tied_NH.any()):
        n, h = tied_NH.nonzero(as_tuple=True)
        highest_NH[n, h] = s_NHC[n, h].argmax(-1) == y_N[n]
    return highest_NH


def _index(values_NHC: Tensor, y_N: Tensor) -> Tensor:
    return y_N[:, None, None].expand(-1, values_NHC.shape[1], 1)


def _highest_other(values_NHC: Tensor, y_N: Tensor) -> Tensor:
    """Return the highest value of the classes that are not the clip's own, (N, H)."""
    return values_NHC.scatter(-1, _index(values_NHC, y_N), -torch.inf).amax(-1)


def sum_by_class(m_NH: Tensor, y_N: Tensor, num_classes: int) -> Tensor:
    """Sum per-clip values over the clips of each class, (C, H) float64; ranks exchange these sums."""
    sums_CH = torch.zeros(num_classes, m_NH.shape[1], dtype=torch.float64, device=m_NH.device)
    return sums_CH.index_add_(0, y_N, m_NH.to(torch.float64))


def shrink(r_CH: Tensor, counts_C: Tensor, alpha: float) -> Tensor:
    """Shrink reliabilities towards their mean over all heads and classes: r·n/(n+α) + r̄·α/(n+α).

    Args:
        r_CH: reliabilities; a global one is a single row, (1, H).
        counts_C: clips that each row was estimated from.
        alpha: α >= 0, in clips; 0 changes nothing.
    """
    if alpha == 0:
        return r_CH
    counts_C1 = counts_C.to(r_CH.dtype)[:, None]
    return (r_CH * counts_C1 + r_CH.mean() * alpha) / (counts_C1 + alpha)
