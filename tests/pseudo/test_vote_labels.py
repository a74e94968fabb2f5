"""Votes of rollouts: which clips are kept, why others are not, and what their labels are worth."""

import math
from pathlib import Path

import pytest

from calm_pl.data.questions.clips import Clip, Query, Round
from calm_pl.data.questions.task import Task
from calm_pl.pseudo.labels import count_votes, quality

CLASSES = ("dog", "rain", "sea_waves")


def task_of(truths, options=(0, 1, 2)):
    support = tuple(
        Query(Clip(f"{n}.wav", Path(f"{n}.wav"), (), ()), truth, "Which?", options)
        for n, truth in enumerate(truths)
    )
    return Task(CLASSES, support, (), (Round("", 0, tuple(range(len(truths))), (), ()),))


@pytest.mark.parametrize(
    ("said", "outcome", "label", "agreement"),
    [
        (["A", "A", "B", "A"], "kept", 0, 0.75),
        (["A.", "dog", "(A)", "the answer is B"], "kept", 0, 0.75),
        (["B", "B", "what", ""], "kept", 1, 0.5),  # the threshold itself is enough
        (["B", "what", "", "C or A"], "disagreement", 1, 0.25),  # unparsable ones stay in the denominator
        (["A", "A", "B", "B"], "tie", -1, 0.5),
        (["E", "no idea", "not A", ""], "no answer", -1, 0.0),
    ],
)
def test_outcomes(said, outcome, label, agreement):
    (vote,) = count_votes({0: said}, task_of([0]), 0.5).votes
    assert (vote.outcome, vote.label, vote.agreement) == (outcome, label, agreement)
    assert vote.said == tuple(said)


def test_the_letter_is_that_of_the_options_shown():
    (vote,) = count_votes({0: ["A", "A", "sea_waves"]}, task_of([2], options=(2, 0)), 0.9).votes
    assert (vote.outcome, vote.label, vote.ballots) == ("kept", 2, (2, 2, 2))


def test_three_of_ten_are_thirty_per_cent():
    said = {0: ["A"] * 3 + [""] * 7}
    assert count_votes(said, task_of([0]), 0.3).votes[0].outcome == "kept"
    assert count_votes(said, task_of([0]), 0.31).votes[0].outcome == "disagreement"


def test_clips_without_rollouts_could_not_be_read_and_windows_bring_more():
    labels = count_votes({2: ["A"], 0: ["B", "B", "A", "B"]}, task_of([0, 1, 2]), 0.5)
    assert [vote.outcome for vote in labels.votes] == ["kept", "unreadable", "kept"]
    assert [vote.votes for vote in labels.votes] == [3, 0, 1]
    assert labels.kept([0, 1, 2]) == {0: 1, 2: 0}
    assert labels.kept([1, 2]) == {2: 0}


def test_unparsed_rollouts():
    assert count_votes({0: ["A", "x"], 1: ["B", ""]}, task_of([0, 1]), 0.5).unparsed == 0.5
    assert math.isnan(count_votes({}, task_of([0]), 0.5).unparsed)


def test_quality_counts_only_where_the_truth_is_known_and_names_what_is_missing():
    task = task_of([0, 1, -1, 2])
    one = quality({0: 0, 1: 0, 2: 0}, 4, task.support, CLASSES)
    assert (one.asked, one.kept, one.known, one.right, one.accuracy) == (4, 3, 2, 1, 0.5)
    assert one.lacking == ("rain", "sea_waves")
    assert math.isnan(quality({2: 0}, 4, task.support, CLASSES).accuracy)
