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
        left_out_p_: probability of the true class of each support clip that could be held out, by a fit
            without it, float32 in ascending order. Prediction sets are calibrated on these.
    """

    fitted_forms: ClassVar[Mapping[str, Form]] = {"left_out_p_": Form("N")}
    left_out_p_: Tensor

    def probabilities(self, scores_NC: Tensor) -> Tensor:
        """Return the log-probabilities as probabilities."""
        return torch.softmax(scores_NC, -1)

    def prediction_sets(self, vectors: Vectors, coverage: float = 0.9) -> Any:
        """Return prediction sets that contain the true class with probability `coverage`, (N, C) bool.

        Calibrated on held-out support clips; `calm_pl.functional.conformal` says what this does and does not
        guarantee. With fewer than coverage/(1 - coverage) such clips every set has all classes.
        """
        p_NC = self.probabilities(self.vote(vectors).scores_NC)
        threshold = conformal_threshold(self.left_out_p_, coverage)
        return self._like(vectors, conformal_sets(p_NC, threshold))

    def check_values(self, state: Mapping[str, Tensor]) -> None:
        """Raise ValueError for probabilities outside [0, 1]."""
        check_between("left_out_p", state["left_out_p"], 0, 1)

    def _keep_left_out(self, logits_NC: Tensor, clips: FoldedClips) -> None:
        """Store what prediction sets need from the calibrated scores of held-out clips."""
        log_p_NC = log_posteriors(centred(logits_NC), clips.also_NC)
        own_N = log_p_NC.gather(1, clips.y_N[:, None])[:, 0].exp()
        self.left_out_p_ = own_N[clips.can_N].sort().values.to(torch.float32)
