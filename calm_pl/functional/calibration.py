"""Calibrate scores and choose between settings, from the scores of held-out clips.

All criteria are means over clips of the log-probability of the true class, log softmax(β·l/σ): σ is the
spread of the scores l over the clips, and the sharpness β is the value of a fixed grid that maximises the
mean.
One virtual clip whose class is uniformly distributed joins the mean, so that β stays finite when every clip
is classified correctly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from calm_pl.functional.folds import FoldedClips

_OCTAVES, _STEPS = 10, 4
SHARPNESS = tuple(2.0 ** (step / _STEPS - 3) for step in range(_OCTAVES * _STEPS + 1))  # 1/8 to 128
DEFAULT_SHARPNESS = 2.0
"""Where no clip can be left out: one clip a class."""
TRUST = 0.2
"""How much of the evidence between candidates is believed. They are judged on the clips that fitted them, and
left-out clips share all others; from 0.1 to 0.4 accuracy was the same."""
# Sums over clips differ in their last bits between orders and numbers of ranks; a choice must not.
_TIE = 1e-9


class Calibration(NamedTuple):
    """Conversion of scores to log-probabilities.

    Attributes:
        gain: β/σ, by which scores are multiplied.
        log_p_N: leave-one-out log-probability of the true class of each clip, float64.
    """

    gain: float
    log_p_N: Tensor


def centred(scores_NC: Tensor) -> Tensor:
    """Subtract each clip's mean over classes, float64; softmax and argmax are unchanged."""
    scores_NC = scores_NC.to(torch.float64)
    return scores_NC - scores_NC.mean(-1, keepdim=True)


def spread(scores_NC: Tensor) -> float:
    """Return the root mean square of centred scores; 1 if they are all equal."""
    value = float(centred(scores_NC).square().mean().sqrt()) if len(scores_NC) else 0.0
    return value if value > 0 else 1.0


def log_posteriors(scores_NC: Tensor, also_NC: Tensor | None = None) -> Tensor:
    """Return log softmax, with -inf for the classes of `also_NC` (see `FoldedClips`)."""
    return torch.log_softmax(scores_NC if also_NC is None else scores_NC.masked_fill(also_NC, -torch.inf), -1)


def calibrate(scores_NC: Tensor, y_N: Tensor, also_NC: Tensor | None = None) -> Calibration:
    """Return the gain that maximises log softmax(gain·scores) of the true classes.

    Args:
        scores_NC: scores of held-out clips.
        y_N: their classes; empty if no clip could be held out, and the default sharpness is then used.
        also_NC: see `FoldedClips`.
    """
    sigma = spread(scores_NC)
    if not len(y_N):
        return Calibration(DEFAULT_SHARPNESS / sigma, torch.zeros(0, dtype=torch.float64))
    unit_NC = centred(scores_NC) / sigma
    beta = best_sharpness(sharpness_sums(unit_NC, y_N, also_NC), len(y_N))
    own_N = log_posteriors(beta * unit_NC, also_NC).gather(1, y_N[:, None])[:, 0]
    return Calibration(beta / sigma, own_N)


def sharpness_sums(scores_NC: Tensor, y_N: Tensor, also_NC: Tensor | None = None) -> Tensor:
    """Sum log softmax(β·scores) over clips for each β of `SHARPNESS`, (B, 2) float64; ranks add these up.

    The first column is for the true classes, the second for the mean over all classes the clip is judged
    among.
    """
    scores_NC = scores_NC.to(torch.float64)
    if also_NC is not None:
        scores_NC = scores_NC.masked_fill(also_NC, -torch.inf)
    below_NC = scores_NC - scores_NC.amax(-1, keepdim=True)
    own = below_NC.gather(1, y_N[:, None]).sum()
    judged_NC = below_NC > -torch.inf
    of_all = (below_NC.where(judged_NC, 0).sum(-1) / judged_NC.sum(-1)).sum()
    log_totals_B = torch.zeros(len(SHARPNESS)).to(scores_NC)
    for step in range(_STEPS):
        # exp(2·β·l) is the square of exp(β·l), which takes a twentieth of the time of the next exponential.
        e_NC = (SHARPNESS[step] * below_NC).exp_()
        for place in range(step, len(SHARPNESS), _STEPS):
            log_totals_B[place] = e_NC.sum(-1).log_().sum()
            e_NC.square_()
    beta_B = torch.tensor(SHARPNESS, dtype=torch.float64, device=scores_NC.device)
    return torch.stack([beta_B * own - log_totals_B, beta_B * of_all - log_totals_B], 1)


def best_sharpness(sums_B2: Tensor, num_clips: int) -> float:
    """Return the first β of `SHARPNESS` with the largest mean over the clips and the virtual one."""
    best = 0
    values = [(own + of_all / num_clips) / (num_clips + 1) for own, of_all in sums_B2.tolist()]
    for place, value in enumerate(values):
        if value > values[best] + _TIE:
            best = place
    return SHARPNESS[best]


def calibrate_left_out(scores_NC: Tensor, clips: FoldedClips) -> Calibration:
    """Calibrate on the held-out clips.

    Args:
        scores_NC: of all clips; those that are never held out have scores from the full fit, which determine
            the spread only if there are no others.
        clips: the clips' classes and folds.
    """
    can_N = clips.can_N
    also_NC = None if clips.also_NC is None else clips.also_NC[can_N]
    return calibrate(scores_NC[can_N] if bool(can_N.any()) else scores_NC, clips.y_N[can_N], also_NC)


def most_likely(candidates: Sequence[Tensor]) -> int:
    """Return the index of the candidate with the largest mean log-probability (N,); ties: the first."""
    best = 0
    for i, log_p_N in enumerate(candidates):
        if float(log_p_N.mean()) > float(candidates[best].mean()) + _TIE:
            best = i
    return best


def evidence_shares(candidates: Sequence[Tensor]) -> Tensor:
    """Return each candidate's weight in their mean, (K,) float64, summing to 1: softmax(TRUST·Σ log p).

    A few clips say little about which candidate is likeliest: with six clips the weights are nearly equal,
    with hundreds the likeliest candidates dominate.

    Args:
        candidates: log-probabilities (N,) of the same clips; weights are equal if there are no clips.
    """
    return torch.softmax(TRUST * torch.stack([log_p_N.sum() for log_p_N in candidates]), 0)


def mean_scores(scores: Sequence[Tensor], shares_K: Tensor) -> Tensor:
    """Return Σ_k share·scores, (N, C) float64.

    Args:
        scores: calibrated scores (N, C) of K candidates: the mean is that of log-probabilities.
        shares_K: their weights.
    """
    stacked_KNC = torch.stack(list(scores))
    return torch.einsum("k,knc->nc", shares_K.to(stacked_KNC), stacked_KNC)


def simplest_likely(candidates: Sequence[Tensor]) -> int:
    """Return the first candidate that is not clearly less likely than the best: the one-standard-error rule.

    Args:
        candidates: log-probabilities (N,) of the same clips, the simplest setting first.
    """
    best_N = candidates[most_likely(candidates)]
    for i, log_p_N in enumerate(candidates):
        loss_N = best_N - log_p_N
        error = float(loss_N.std(correction=0)) / len(loss_N) ** 0.5
        if float(loss_N.mean()) <= error + _TIE:
            return i
    raise AssertionError("the best candidate is not worse than itself")
