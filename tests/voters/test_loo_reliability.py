import math

import pytest
import torch
from head_vectors import noisy_clips

from calm_pl.voters import Calm, CalmGlobal

TAU_P = 1 / math.log(3)  # a cosine of 1 against 0 is a margin of 1/2
EAST, NORTH = [[1.0, 0.0]], [[0.0, 1.0]]


def test_leave_one_out_by_hand():
    # Class a: east, east, north. Left out, each east is judged against the mean of east and north, cosine
    # 0.7071 with a and 0 with b (north): p_a/p_b = 3^0.7071. The north clip is judged against east: cosine 0
    # with a, 1 with b, no margin. Class b: north twice, each left alone with the other: cosine 1 with b, and
    # 1/sqrt(5) with a's mean (2/3, 1/3).
    x = torch.tensor([EAST, EAST, NORTH, NORTH, NORTH])
    voter = Calm(TAU_P, reliability_split="loo").fit(x, ["a", "a", "a", "b", "b"])

    def margin(own, other):
        odds = 3 ** (own - other)
        return (odds - 1) / (odds + 1)

    expected = [[2 / 3 * margin(math.sqrt(0.5), 0)], [margin(1, 1 / math.sqrt(5))]]
    torch.testing.assert_close(voter.reliability_, torch.tensor(expected), rtol=1e-5, atol=1e-6)


def test_clips_with_nothing_in_common_no_longer_vouch_for_themselves():
    # Four clips at right angles, two a class. Each is 0.7071 from its own mean and 0 from the other
    # class, so every margin looks perfect; left out, it is 0 from both.
    x, labels = torch.eye(4)[:, None], ["a", "a", "b", "b"]
    assert Calm(reliability_split="support").fit(x, labels).reliability_.min() > 0.99
    assert Calm(reliability_split="loo").fit(x, labels).reliability_.tolist() == [[0.0], [0.0]]


def test_centroids_are_those_of_all_clips():
    x, y = noisy_clips(0, (3, 4))
    plain, left_out = Calm().fit(x, y), Calm(reliability_split="loo").fit(x, y)
    assert torch.equal(plain.centroids_, left_out.centroids_)


def test_a_class_of_one_clip_takes_the_overall_reliability():
    x, y = noisy_clips(1, (4, 1, 3))
    conditional = Calm(0.1, reliability_split="loo").fit(x, y)
    overall = CalmGlobal(0.1, reliability_split="loo").fit(x, y)
    torch.testing.assert_close(conditional.reliability_[1], overall.reliability_)
    # Over the seven clips that can be judged, not over all eight.
    expected = (4 * conditional.reliability_[0] + 3 * conditional.reliability_[2]) / 7
    torch.testing.assert_close(overall.reliability_, expected)


@pytest.mark.parametrize("voter", [Calm, CalmGlobal])
@pytest.mark.parametrize("weight_map", ["softmax", "power"])
def test_one_clip_in_every_class_leaves_uniform_weights(voter, weight_map):
    x, y = noisy_clips(2, (1, 1, 1))
    fitted = voter(weight_map=weight_map, reliability_split="loo").fit(x, y)
    torch.testing.assert_close(fitted.weights_, torch.full_like(fitted.weights_, 1 / 6))
    assert fitted.predict(x).tolist() == y.tolist()


def test_duplicates_vouch_for_each_other():
    x, y = noisy_clips(3, (1, 1, 1))
    twice = Calm(reliability_split="loo").fit(x.repeat(2, axis=0), y.repeat(2))
    once = Calm(reliability_split="support").fit(x, y)
    # Left out, a duplicate finds its twin: the same margin as against itself.
    torch.testing.assert_close(twice.reliability_, once.reliability_, rtol=1e-4, atol=1e-5)
