"""Gaussian discriminant analysis on all heads together (arXiv 2402.04087)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Optional

import torch
from torch import Tensor

from calm_pl.functional import calibrate_left_out, evidence_shares, mean_scores, unit
from calm_pl.validation import above_zero, one_of, setting
from calm_pl.voters.base import Decision
from calm_pl.voters.calibrated import CalibratedVoter
from calm_pl.voters.gram import clip_gram, clip_places, folded_clips
from calm_pl.voters.linear import RHOS, discriminants, linear_scores, mean_classifier
from calm_pl.voters.settings import VoterSettings
from calm_pl.voters.state import Form
from calm_pl.voters.support import Support


@dataclass
class GdaSettings(VoterSettings):
    """Parameters of `Gda`."""

    rho: Optional[float] = setting(None, above_zero())
    """Shrinkage ρ; 1 as published. None averages those of `linear.RHOS`, weighted by the likelihood of
    held-out clips (`balanced_folds`, `evidence_shares`)."""
    prior: str = setting("uniform", one_of("uniform", "support"))
    """Prior of the classes; `support` uses their shares of the support clips."""


class LinearVoter(CalibratedVoter):
    """A voter that is linear in unit head vectors.

    Attributes:
        discriminant_: (C, H, D) float32, weights on unit head vectors.
        bias_: (C,) float32.
    """

    fitted_forms: ClassVar[Mapping[str, Form]] = {
        **CalibratedVoter.fitted_forms,
        "discriminant_": Form("CHD"),
        "bias_": Form("C"),
    }
    discriminant_: Tensor
    bias_: Tensor

    def decide_vectors(self, x_NHD: Tensor, candidates_NC: Tensor | None = None) -> Decision:
        """Return log-probabilities and winners; ties go to the lower class index."""
        scores_NC = linear_scores(unit(x_NHD), self.discriminant_, self.bias_)
        if candidates_NC is not None:
            scores_NC = scores_NC.masked_fill(~candidates_NC, -torch.inf)
        scores_NC = torch.log_softmax(scores_NC, -1).to(torch.float32)
        return Decision(scores_NC, scores_NC.argmax(-1))


class Gda(LinearVoter, GdaSettings):
    """Class means and one covariance over the unit vectors of all heads, shrunk towards the identity.

    The precision is ((W + λ·I)/F)^(-1) with λ = ρ·tr(W)/(N - 1), solved exactly in the N x N dual. All heads
    have equal weight: if most heads carry no information about the classes, `CalmAuto` is the better choice.

    Support clips of all ranks are compared with each other, a few heads at a time, so `gather_support` needs
    `rank` and `num_ranks`. At most `gram.MAX_CLIPS` clips.

    Parameters are those of `GdaSettings`.

    Attributes:
        discriminant_: (C, H, D) float32, weights on unit head vectors, scaled so that the softmax of the
            scores is calibrated on held-out clips.
        bias_: (C,) float32, log prior included.
    """

    fitted_params_: GdaSettings

    def _fit_heads(self, support: Support, heldout: Support | None) -> None:
        if heldout is not None:
            raise ValueError("Expected no `heldout`: discriminant analysis estimates no reliabilities.")
        p = self.fitted_params_
        _, heads, dim = support.x_NHD.shape
        weights_H = torch.full((heads,), 1 / heads, dtype=torch.float64, device=support.device)
        places = clip_places(support)
        clips = folded_clips(support, places)
        gram_NN = clip_gram(support, places, weights_H)
        rhos = RHOS if p.rho is None else (p.rho,)
        found = discriminants(gram_NN, clips, len(support.classes), heads * dim, rhos)
        shares_K = evidence_shares([one.calibration.log_p_N for one in found])
        left_out_NC = mean_scores([one.left_out_NC for one in found], shares_K)
        gain = calibrate_left_out(left_out_NC, clips).gain
        fit = mean_classifier(support, places, weights_H, found, gain * shares_K)
        log_prior_C = torch.zeros_like(fit.bias_C)
        if p.prior == "support":
            log_prior_C = (support.counts_C / support.counts_C.sum()).log()
        self._keep_left_out(gain * left_out_NC + log_prior_C, clips)
        self.discriminant_ = fit.weights_CHD.to(torch.float32)
        self.bias_ = (fit.bias_C + log_prior_C).to(torch.float32)
