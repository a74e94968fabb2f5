"""The model's own answers as a prior of CALM-Auto, weighted by how well they predict support clips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from calm_pl.data.loading.batches import Batch
from calm_pl.data.questions.prompts import LETTERS
from calm_pl.data.questions.task import Task
from calm_pl.distributed import sum_over_ranks
from calm_pl.errors import RunError
from calm_pl.evaluation.batch_prediction import BatchPrediction, explained
from calm_pl.evaluation.contenders import Contender, FittedVoter, RoundQuery, RoundSupport
from calm_pl.evaluation.encoding import Encoded
from calm_pl.evaluation.zero_shot import class_probabilities
from calm_pl.functional import calibrate, centred, evidence_shares
from calm_pl.voters import CalmAuto
from calm_pl.voters.base import Decision

PRIOR = "calm_auto_zero_shot"
BASE = "calm_auto"
_LEAST_P = 1e-30


class Prior(NamedTuple):
    """Combination of zero-shot and CALM-Auto: log p ∝ (1 - share)·log p_auto + share·gain·log p_zero.

    Attributes:
        share: weight of zero-shot, 0 to 1.
        gain: factor of its scores that makes support clips likeliest.
    """

    share: float
    gain: float

    def decide(self, base: Decision, scores_NO: Tensor, options_NO: Tensor) -> Decision:
        """Combine both predictions.

        Args:
            base: CALM-Auto's log-probabilities; -inf for classes that are not candidates.
            scores_NO: see `option_scores`.
            options_NO: all classes, in the order of the letters.
        """
        log_p_NC = base.scores_NC.to(torch.float64)
        zero_NC = centred(_log_p(scores_NO, options_NO, log_p_NC.shape[1]))
        scores_NC = torch.log_softmax((1 - self.share) * log_p_NC + self.share * self.gain * zero_NC, -1)
        return Decision(scores_NC.to(torch.float32), scores_NC.argmax(-1))


class SupportAnswers:
    """Zero-shot answers to the support questions that this rank has encoded.

    Args:
        task: a task whose support questions list all classes.

    Raises:
        RunError: a question does not list all classes.
    """

    def __init__(self, task: Task) -> None:
        classes = len(task.classes)
        way_out = f"set data.n_options={classes}, or " if classes <= len(LETTERS) else ""
        for query in (*task.support, *task.query):
            if len(set(query.options)) < classes:
                raise RunError(
                    f"{PRIOR} needs questions that list all {classes} classes, but the question about"
                    f" {query.clip.id} lists {len(query.options)}: {way_out}remove {PRIOR} from methods."
                )
        self.task = task
        self._seen_S = torch.zeros(len(task.support), dtype=torch.float64)
        self._log_p_SC = torch.zeros(len(task.support), classes, dtype=torch.float64)

    def add(self, index_N: Tensor, scores_NO: Tensor, options_NO: Tensor) -> None:
        """Store the scores of some questions, by position."""
        index_N = index_N.cpu()
        self._seen_S[index_N] = 1
        self._log_p_SC[index_N] = _log_p(scores_NO, options_NO, len(self.task.classes)).cpu()

    def fit(self, base: CalmAuto, positions: Sequence[int]) -> Prior:
        """Fit the prior of one round, identical on every rank; every rank must call this.

        Both predictors are judged on clips they were not fitted on: zero-shot is not fitted, and CALM-Auto
        held these clips out. With one clip per class both have equal weight.

        Args:
            base: CALM-Auto, fitted on the round.
            positions: positions of the round's support questions.
        """
        rows = list(positions)
        # Each rank fills in its own clips and leaves zeros for the others.
        seen_N = sum_over_ranks(self._seen_S[rows]) > 0
        log_p_NC = sum_over_ranks(self._log_p_SC[rows])[seen_N]
        y_N = torch.tensor([self.task.support[row].label for row in rows])[seen_N]
        fit = calibrate(log_p_NC, y_N)
        can_N = torch.bincount(y_N, minlength=log_p_NC.shape[1])[y_N] > 1
        left_out_N = base.left_out_p_.to(torch.float64).clamp(min=_LEAST_P).log().cpu()
        shares_2 = evidence_shares([left_out_N, fit.log_p_N[can_N]])
        return Prior(float(shares_2[1]), fit.gain)


class WithPrior(Contender):
    """CALM-Auto with the model's own answers as a prior.

    Args:
        name: name of the row.
        base: the contender CALM-Auto, which is fitted before this one.
        task: a task whose questions list all classes.

    Raises:
            RunError: a question does not list all classes.
    """

    def __init__(self, name: str, base: FittedVoter, task: Task) -> None:
        super().__init__(name)
        self._base = base
        self._task = task
        self._answers = SupportAnswers(task)
        self.priors: list[Prior] = []

    def start(self) -> None:
        """Forget everything."""
        super().start()
        self._answers = SupportAnswers(self._task)
        self.priors = []

    def collect(self, batch: Batch, encoded: Encoded) -> None:
        """Store the scores of a support batch's options."""
        self._answers.add(batch.index_N, encoded.options_NO, batch.options_NO)

    def fit(self, part: RoundSupport) -> None:
        """Fit the weight of both predictors on the round's support."""
        base = self._base.fitted[part.number]
        assert isinstance(base, CalmAuto)
        with explained("The support cannot be fitted"):
            self.priors.append(self._answers.fit(base, part.round.support))

    def predict(self, query: RoundQuery) -> BatchPrediction:
        """Return the combined prediction."""
        voter = self._base.fitted[query.number]
        decision = self.priors[query.number].decide(query.decision(voter), query.scores_nO, query.options_nO)
        return BatchPrediction(decision.winner_N, voter.probabilities(decision.scores_NC))


def _log_p(scores_NO: Tensor, options_NO: Tensor, num_classes: int) -> Tensor:
    """Return the logarithms of zero-shot class probabilities, (N, C) float64."""
    p_NC = class_probabilities(scores_NO, options_NO, num_classes)
    return p_NC.to(torch.float64).clamp(min=_LEAST_P).log()
