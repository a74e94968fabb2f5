"""Voters whose scores are log-probabilities, calibrated on held-out support clips."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from calm_pl.functional import FoldedClips, centred, conformal_sets, conformal_threshold, log_posteriors
from calm_pl.voters.base import HeadVoter
from calm_pl.voters.checks import Vectors
from calm_pl.voters.state import Form, check_between


class CalibratedVoter(HeadVoter):
    """A voter whose scores are log-probabilities.

    Attributes:
        left_out_p_: probability of the true class of each support clip that could be left out, by a fit
            without it, float32 in ascending order; what prediction sets are calibrated on.
    """

    fitted_forms: ClassVar[Mapping[str, Form]] = {"left_out_p_": Form("N")}
    left_out_p_: Tensor

    def probabilities(self, scores_NC: Tensor) -> Tensor:
        """Return the log-probabilities as probabilities."""
        return torch.softmax(scores_NC, -1)

    def prediction_sets(self, vectors: Vectors, coverage: float = 0.9) -> Any:
        """Return the classes that together hold the true one with the chosen coverage, (N, C) bool.

        Calibrated on left-out support clips; what that guarantees and what not is said in
        `calm_pl.functional.conformal`. With fewer than coverage/(1 - coverage) of them every class is in.
        """
        p_NC = self.probabilities(self.vote(vectors).scores_NC)
        threshold = conformal_threshold(self.left_out_p_, coverage)
        return self._like(vectors, conformal_sets(p_NC, threshold))

    def check_values(self, state: Mapping[str, Tensor]) -> None:
        """Refuse probabilities that are none."""
        check_between("left_out_p", state["left_out_p"], 0, 1)

    def _keep_left_out(self, logits_NC: Tensor, clips: FoldedClips) -> None:
        """Keep what prediction sets need of the calibrated scores of clips left out."""
        log_p_NC = log_posteriors(centred(logits_NC), clips.also_NC)
        own_N = log_p_NC.gather(1, clips.y_N[:, None])[:, 0].exp()
        self.left_out_p_ = own_N[clips.can_N].sort().values.to(torch.float32)
