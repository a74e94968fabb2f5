"""Labels from rollouts, and their quality if the truth is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch

from calm_pl.data.questions.clips import Query
from calm_pl.data.questions.task import Task
from calm_pl.functional import NO_ANSWER, NO_ROLLOUT, consensus
from calm_pl.pseudo.sampling import ballot

KEPT, UNREADABLE, NO_VOTE, TIE, DISAGREE = "kept", "unreadable", "no answer", "tie", "disagreement"
UNSURE = "low posterior"
_ROUNDING = 1e-9  # so that 3 of 10 is 30 % despite rounding


class Vote(NamedTuple):
    """Result of the rollouts of a clip.

    Attributes:
        label: class index with the most votes; -1 if there is none, or a tie.
        votes: rollouts that named it.
        agreement: `votes` divided by all rollouts, including unparsable ones.
        outcome: `kept`, or the reason for rejection: `unreadable`, `no answer` (no rollout named an option),
            `tie`, or `disagreement` (too few votes for the winner).
        ballots: the class that each rollout named, -1 for none.
        said: the text of each rollout.
    """

    label: int
    votes: int
    agreement: float
    outcome: str
    ballots: tuple[int, ...] = ()
    said: tuple[str, ...] = ()


class Quality(NamedTuple):
    """Quality of labels.

    Attributes:
        asked: number of clips to label.
        kept: number of clips with a label.
        known: number of kept clips whose true class is known.
        right: number of these whose label is the true class.
        lacking: names of the classes without a labelled clip, in class order.
    """

    asked: int
    kept: int
    known: int
    right: int
    lacking: tuple[str, ...]

    @property
    def accuracy(self) -> float:
        """Share of correct labels among clips whose truth is known; NaN if there are no such clips."""
        return self.right / self.known if self.known else float("nan")


@dataclass(frozen=True)
class PseudoLabels:
    """The vote on every support question, by position."""

    votes: tuple[Vote, ...]

    def kept(self, positions: Sequence[int]) -> dict[int, int]:
        """Return the labels of those of the given positions that have one."""
        return {n: self.votes[n].label for n in positions if self.votes[n].outcome == KEPT}

    @property
    def unparsed(self) -> float:
        """Share of all rollouts that name no option; NaN without rollouts."""
        ballots = [one for vote in self.votes for one in vote.ballots]
        return ballots.count(NO_ANSWER) / len(ballots) if ballots else float("nan")


def count_votes(said: Mapping[int, Sequence[str]], task: Task, min_agreement: float) -> PseudoLabels:
    """Vote on every support question of a task.

    Args:
        said: answers by position; a question without answers has a clip that could not be read.
        task: questions and classes.
        min_agreement: the smallest share of rollouts with which a winner is kept.
    """
    positions = sorted(said)
    ballots = [ballot(said[n], task.support[n], task.shown) for n in positions]
    most = max(map(len, ballots), default=0)
    padded = [[*one, *[NO_ROLLOUT] * (most - len(one))] for one in ballots]
    table_NM = torch.tensor(padded, dtype=torch.int64).reshape(len(positions), most)
    found = consensus(table_NM, len(task.classes))
    votes = [Vote(NO_ANSWER, 0, 0.0, UNREADABLE)] * len(task.support)
    rows = zip(positions, ballots, *(column.tolist() for column in found), strict=True)
    for position, named, winner, count, agreement in rows:
        if count == 0:
            outcome = NO_VOTE
        elif winner == NO_ANSWER:
            outcome = TIE
        else:
            outcome = KEPT if agreement >= min_agreement - _ROUNDING else DISAGREE
        votes[position] = Vote(winner, count, agreement, outcome, tuple(named), tuple(said[position]))
    return PseudoLabels(tuple(votes))


def quality(
    labels: Mapping[int, int], asked: int, queries: Sequence[Query], classes: Sequence[str]
) -> Quality:
    """Compare labels with the truth.

    Args:
        labels: class index by position.
        asked: positions of the clips to label.
        queries: questions by position; their label is -1 if unknown.
        classes: labels in class order.
    """
    known = [n for n in labels if queries[n].label >= 0]
    right = sum(labels[n] == queries[n].label for n in known)
    used = set(labels.values())
    lacking = tuple(label for c, label in enumerate(classes) if c not in used)
    return Quality(asked, len(labels), len(known), right, lacking)
