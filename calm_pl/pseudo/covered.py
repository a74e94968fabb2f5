"""A voter fitted on only some of a task's classes."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from calm_pl.voters import HeadVoter


class CoveredPrediction(NamedTuple):
    """The voter's predictions, as indices of the task's classes.

    Attributes:
        winner_N: class index; C if the voter knows none of the candidates.
        proba_NC: probabilities, 0 for classes that the voter does not know.
    """

    winner_N: Tensor
    proba_NC: Tensor


class CoveredVoter(NamedTuple):
    """A fitted voter and the classes that it knows.

    Attributes:
        voter: the fitted voter.
        covered: its classes, as ascending indices of the task's.
        num_classes: C, the task's number of classes.
    """

    voter: HeadVoter
    covered: tuple[int, ...]
    num_classes: int

    def predict(self, x_NHD: Tensor, candidates_NC: Tensor | None = None) -> CoveredPrediction:
        """Classify N clips.

        Args:
            x_NHD: head vectors.
            candidates_NC: the task's classes that are allowed for each clip; all if None.
        """
        covered_P = torch.tensor(self.covered, device=x_NHD.device)
        candidates_NP = None if candidates_NC is None else candidates_NC[:, covered_P]
        decision = self.voter.vote(x_NHD, candidates_NP)
        proba_NP = self.voter.probabilities(decision.scores_NC)
        winner_N = covered_P.to(decision.winner_N.device)[decision.winner_N]
        proba_NC = proba_NP.new_zeros(len(proba_NP), self.num_classes)
        proba_NC[:, covered_P.to(proba_NC.device)] = proba_NP
        if candidates_NP is not None:
            lost_N = ~candidates_NP.any(1).to(winner_N.device)
            winner_N = winner_N.masked_fill(lost_N, self.num_classes)
            proba_NC = proba_NC.masked_fill(lost_N[:, None], 0.0)
        return CoveredPrediction(winner_N, proba_NC)
