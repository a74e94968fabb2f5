"""Voters fitted on pseudo-labels, round by round, optionally with self-training."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from calm_pl.data.loading.answered import AnswerLink
from calm_pl.data.questions.clips import Round
from calm_pl.data.questions.counting import unit
from calm_pl.data.questions.task import Task
from calm_pl.distributed import concatenate_over_ranks, rank_and_size, sum_over_ranks
from calm_pl.errors import RunError
from calm_pl.methods.table import PSEUDO_SUFFIX
from calm_pl.pseudo.covered import CoveredVoter
from calm_pl.pseudo.labels import PseudoLabels, Quality, count_votes, quality
from calm_pl.pseudo.sampling import RolloutSampler
from calm_pl.pseudo.settings import JUDGE, PseudoSettings
from calm_pl.voters import HeadVoter, Support, gather_support
from calm_pl.voters.placing import fit_device


class Held(NamedTuple):
    """Head vectors of the requested clips that are on this rank.

    Attributes:
        vectors_NHD: the vectors.
        positions: positions of their questions in the support.
    """

    vectors_NHD: Tensor
    positions: list[int]


class RoundLabels(NamedTuple):
    """The labels on which one round was fitted.

    Attributes:
        labels: class index by position.
        posteriors: CALM's probability of the label, by position, if self-training assigned it.
        steps: quality of the labels by majority vote, then of those after each self-training step.
    """

    labels: dict[int, int]
    posteriors: dict[int, float]
    steps: list[Quality]


class Relabelled(NamedTuple):
    """Labels that a voter assigns with enough confidence.

    Attributes:
        labels: class index by position.
        posteriors: probability of the label, by position.
    """

    labels: dict[int, int]
    posteriors: dict[int, float]


class PseudoFit:
    """Collect rollouts, label clips by majority vote, and fit voters on the labels.

    Args:
        settings: see `PseudoSettings`.
        task: classes, questions and rounds.
        voters: unfitted voters by method name without `+pl`; copies of them are fitted. Self-training needs
            `calm`.
        link: store of rollouts; None stores none.

    Attributes:
        sampler: the sampler of rollouts.
        labels: the labels, after `settle`; the same on every rank.
        rounds: the labels of each round fitted so far.
        fitted: the fitted voters, by method name with `+pl`, then by round.
    """

    def __init__(
        self,
        settings: PseudoSettings,
        task: Task,
        voters: Mapping[str, HeadVoter],
        link: AnswerLink | None = None,
    ) -> None:
        self.settings = settings
        self.task = task
        self.voters = dict(voters)
        self.sampler = RolloutSampler(settings, task.support, link)
        self._device: torch.device | None = None
        self.methods = [f"{name}{PSEUDO_SUFFIX}" for name in voters]
        self.start()

    def start(self) -> None:
        """Forget everything."""
        self._said: dict[int, list[str]] = {}
        self.labels = PseudoLabels(())
        self.rounds: list[RoundLabels] = []
        self.fitted: dict[str, list[CoveredVoter]] = {name: [] for name in self.methods}

    def add(self, index_N: Tensor, answers: Sequence[list[str]]) -> None:
        """Store the answers for a batch of this rank."""
        self._said |= dict(zip(index_N.tolist(), answers, strict=True))

    def settle(self) -> None:
        """Label the clips of all ranks by majority vote; every rank must call this."""
        said = dict(concatenate_over_ranks(list(self._said.items())))
        self.labels = count_votes(said, self.task, self.settings.min_agreement)

    def fit(
        self, one: Round, held: Callable[[Sequence[int]], Held], device: torch.device | None = None
    ) -> None:
        """Fit every voter on one round's labels, after any self-training; every rank must call this.

        Args:
            one: the round.
            held: returns the vectors of the given positions that this rank has.
            device: where the fitted voters vote; None leaves them where the vectors are.

        Raises:
            RunError: the labels are of fewer than two classes.
            ValueError: a voter cannot be fitted on the labels or vectors.
        """
        self._device = device
        labels, posteriors = self.labels.kept(one.support), dict[int, float]()
        steps = [self._quality(labels, one)]
        for _ in range(self.settings.rounds):
            judge = self._fitted(self.voters[JUDGE], labels, one, held)
            labels, posteriors = self._labelled_by(judge, one, held)
            steps.append(self._quality(labels, one))
        self.rounds.append(RoundLabels(labels, posteriors, steps))
        support = self._support(labels, one, held) if self.voters else None
        for name, voter in self.voters.items():
            self.fitted[f"{name}{PSEUDO_SUFFIX}"].append(self._fitted(voter, labels, one, held, support))

    def _quality(self, labels: Mapping[int, int], one: Round) -> Quality:
        return quality(labels, len(one.support), self.task.support, self.task.classes)

    def _fitted(
        self,
        voter: HeadVoter,
        labels: Mapping[int, int],
        one: Round,
        held: Callable[[Sequence[int]], Held],
        support: Support | None = None,
    ) -> CoveredVoter:
        """Return a copy of a voter, fitted on the given labels."""
        covered = tuple(sorted(set(labels.values())))
        heldout = None
        if one.heldout and voter.get_params().get("reliability_split") == "heldout":
            voted = {n: c for n, c in self.labels.kept(one.heldout).items() if c in covered}
            vectors_NHD, positions = held(list(voted))
            heldout = (vectors_NHD, [self.task.classes[voted[n]] for n in positions])
        support = support or self._support(labels, one, held)
        fitted = copy.copy(voter).fit_support(support, heldout)
        if self._device is not None:
            fitted = fitted.to(self._device)
        return CoveredVoter(fitted, covered, len(self.task.classes))

    def _support(
        self, labels: Mapping[int, int], one: Round, held: Callable[[Sequence[int]], Held]
    ) -> Support:
        classes = self.task.classes
        covered = sorted(set(labels.values()))
        if len(covered) < 2:
            place = f" of fold {one.fold!r}" if one.fold else ""
            named = f"only {classes[covered[0]]!r}" if covered else "no class"
            raise RunError(
                f"Pseudo-labels{place}, draw {one.draw}, name {named} ({len(labels)} of {len(one.support)}"
                f" {unit(self.task.support)} kept), but fitting needs two classes. Lower"
                " pseudo.min_agreement (the sampled answers are in the bank), use more clips"
                " (data.shots=null), or lower pseudo.temperature_high."
            )
        vectors_NHD, positions = held(list(labels))
        names = [classes[labels[n]] for n in positions]
        where = vectors_NHD.device
        if self._device is not None:
            where = fit_device(vectors_NHD, len(labels), len(covered), self._device)
        named_classes = [classes[c] for c in covered]
        return gather_support(
            vectors_NHD, names, named_classes, sum_over_ranks, *rank_and_size(), device=where
        )

    def _labelled_by(
        self, judge: CoveredVoter, one: Round, held: Callable[[Sequence[int]], Held]
    ) -> Relabelled:
        """Label all of a round's clips with a voter."""
        vectors_NHD, positions = held(one.support)
        winner_N, proba_NC = judge.predict(vectors_NHD)
        p_N = proba_NC.gather(1, winner_N[:, None]).squeeze(1)
        found = list(zip(positions, winner_N.tolist(), p_N.tolist(), strict=True))
        kept = sorted(one for one in concatenate_over_ranks(found) if one[2] >= self.settings.min_posterior)
        return Relabelled({n: c for n, c, _ in kept}, {n: p for n, _, p in kept})
