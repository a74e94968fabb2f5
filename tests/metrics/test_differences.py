"""Which differences hold, and what clips are drawn together."""

import numpy as np
import pytest
import torch

from calm_pl.metrics import clusters, pairwise_differences, winner_calibration_error
from calm_pl.metrics.differences import cluster_kind

RNG = np.random.default_rng(0)


def test_pairs_are_named_by_who_is_better_largest_first():
    right = {
        "bad": np.tile([True, False, False, False], (2, 10)),
        "good": np.ones((2, 40), bool),
        "fair": np.tile([True, True, False, False], (2, 10)),
    }
    found = pairwise_differences(right, np.arange(40))
    assert [(one.better, one.worse, one.difference) for one in found] == [
        ("good", "bad", 0.75),
        ("good", "fair", 0.5),
        ("fair", "bad", 0.25),
    ]
    assert all(one.significant and one.p_value < 0.05 for one in found)
    assert found[0].p_mcnemar == pytest.approx(2 / 2**30)  # 30 clips that only one got right


def test_equal_methods_hold_nothing():
    right = RNG.random((3, 60)) < 0.6
    (one,) = pairwise_differences({"a": right, "b": right.copy()}, np.arange(60))
    assert (one.difference, one.interval.low, one.interval.high, one.significant, one.p_value) == (
        0,
        0,
        0,
        False,
        1,
    )


def test_clips_of_one_recording_count_as_one():
    # Ten more right, but all in one of 20 recordings: as single clips that would hold, as recordings not.
    first, second = np.zeros((1, 200), bool), np.zeros((1, 200), bool)
    first[0, :10] = True
    recordings = np.repeat(np.arange(20), 10)
    assert pairwise_differences({"a": first, "b": second}, np.arange(200))[0].significant
    assert not pairwise_differences({"a": first, "b": second}, recordings)[0].significant


def test_the_coarsest_kind_of_group_that_is_not_too_coarse():
    groups = [(f"recording {n // 2}", f"speaker {n // 20}") for n in range(60)]
    clips = [f"clip {n}" for n in range(60)]
    assert len(np.unique(clusters(groups, clips))) == 30  # three speakers are too few
    many = [(f"recording {n // 2}", f"speaker {n // 5}") for n in range(60)]
    found = clusters(many, clips)
    assert len(np.unique(found)) == 12
    assert found[0] == found[4] != found[5]
    assert len(np.unique(clusters([()] * 60, clips))) == 60


def test_several_questions_about_a_clip_stay_together():
    assert clusters([()] * 30, [f"clip {n // 3}" for n in range(30)]).tolist() == [n // 3 for n in range(30)]


def test_calibration_error_by_hand():
    # Two bins: said 0.9, right half of the time; said 0.6, right always.
    confidence = torch.tensor([0.9, 0.9, 0.6, 0.6])
    right = torch.tensor([True, False, True, True])
    assert winner_calibration_error(confidence, right) == pytest.approx((0.4 + 0.4) / 2, abs=1e-6)


@pytest.mark.parametrize(
    ("groups", "kind"),
    [
        ([(f"recording {n}",) for n in range(12)], "source recordings"),
        ([(f"recording {n}", f"speaker {n // 2}") for n in range(24)], "speakers"),
        ([(f"recording {n}", f"speaker {n // 8}") for n in range(24)], "source recordings"),
        ([(f"name{n} x",) for n in range(12)], "groups of clips"),
        ([("7",) for _ in range(12)], "clips"),
        ([()] * 12, "clips"),
    ],
    ids=["recordings", "speakers", "too few speakers", "unnamed kind", "one group", "no groups"],
)
def test_clusters_are_called_by_their_kind(groups, kind):
    clips = [f"clip {n}" for n in range(2 * len(groups))]
    assert cluster_kind([one for one in groups for _ in range(2)], clips) == kind
