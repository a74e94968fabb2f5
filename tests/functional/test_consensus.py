"""Majority over rollouts, against counts by hand and a slow count."""

import random
from collections import Counter

import pytest
import torch

from calm_pl.functional import NO_ANSWER, NO_ROLLOUT, consensus


@pytest.mark.parametrize(
    ("ballots", "winner", "votes", "agreement"),
    [
        ([2, 2, 2, 1], 2, 3, 0.75),
        ([2, 2, -1, -1], 2, 2, 0.5),  # those that name nothing count below the line
        ([0, 0, 1, 1], -1, 2, 0.5),  # shared
        ([-1, -1, -1, -1], -1, 0, 0.0),
        ([0, -1, -2, -2], 0, 1, 0.5),  # there were only two rollouts
        ([-2, -2, -2, -2], -1, 0, 0.0),
    ],
)
def test_by_hand(ballots, winner, votes, agreement):
    found = consensus(torch.tensor([ballots]), 3)
    assert (int(found.winner_N), int(found.votes_N), float(found.agreement_N)) == (winner, votes, agreement)


def test_against_a_slow_count():
    rng = random.Random(0)
    table = [[rng.choice([-2, -1, 0, 1, 2, 3]) for _ in range(9)] for _ in range(300)]
    found = consensus(torch.tensor(table), 4)
    for row, winner, votes, agreement in zip(table, *(part.tolist() for part in found), strict=True):
        cast = [one for one in row if one != NO_ROLLOUT]
        ranked = Counter(one for one in cast if one != NO_ANSWER).most_common()
        best = ranked[0][1] if ranked else 0
        leaders = [label for label, count in ranked if count == best]
        assert votes == best
        assert winner == (leaders[0] if len(leaders) == 1 else NO_ANSWER)
        assert agreement == pytest.approx(best / max(1, len(cast)))


def test_no_clips():
    assert consensus(torch.zeros(0, 0, dtype=torch.int64), 3).winner_N.shape == (0,)
