import numpy as np
import pytest
import torch
from head_vectors import noisy_clips

from calm_pl.voters import Calm, CalmGlobal, Sav

each_voter = pytest.mark.parametrize("voter", [Sav(), CalmGlobal(), Calm()], ids=repr)


@each_voter
def test_one_clip_a_class_is_its_own_centroid_and_is_found_again(voter):
    x, y = noisy_clips(0, (1, 1, 1, 1), dtype=np.float32)
    voter.fit(x, y)
    np.testing.assert_array_equal(voter.centroids_[y], x)
    assert voter.predict(x).tolist() == y.tolist()


@each_voter
def test_two_classes(voter):
    # Opposite clips: everything is certain.
    x = torch.tensor([[[1.0, 0.0]], [[-1.0, 0.0]]])
    voter.fit(x, ["no", "yes"])
    np.testing.assert_allclose(voter.predict_proba(x), np.eye(2), atol=1e-6)
    assert voter.predict(-x).tolist() == ["yes", "no"]


@each_voter
def test_a_class_of_one_clip_beside_larger_ones(voter):
    x, y = noisy_clips(1, (5, 1, 3), noise=0.1)
    assert voter.fit(x, y).predict(x).tolist() == y.tolist()
    assert bool(torch.isfinite(voter.weights_).all())


@each_voter
def test_every_clip_twice_is_every_clip_once(voter):
    x, y = noisy_clips(2, (4, 3, 5))
    queries, _ = noisy_clips(3, (4, 4, 4))
    once = voter.fit(x, y).decision_function(queries)
    twice = voter.fit(np.concatenate([x, x]), np.concatenate([y, y])).decision_function(queries)
    np.testing.assert_allclose(twice, once, atol=1e-5)


@each_voter
def test_a_duplicate_counts_as_a_clip_of_its_own(voter):
    # (1, 0) twice and (0, 3): the mean is (2/3, 1), not (1/2, 3/2).
    x = torch.tensor([[[1.0, 0.0]], [[1.0, 0.0]], [[0.0, 3.0]], [[-1.0, 0.0]]])
    voter.fit(x, ["a", "a", "a", "b"])
    torch.testing.assert_close(voter.centroids_[0], torch.tensor([[2 / 3, 1.0]]))


@each_voter
def test_one_head_of_one_dimension(voter):
    x = torch.tensor([[[2.0]], [[-1.0]]])
    assert voter.fit(x, [0, 1]).predict(torch.tensor([[[-3.0]], [[0.5]]])).tolist() == [1, 0]


@each_voter
def test_no_query_is_no_answer(voter):
    voter.fit(*noisy_clips(4, (2, 2, 2)))
    none = np.zeros((0, 6, 4), dtype=np.float32)
    assert voter.predict(none).shape == (0,)
    assert voter.decision_function(none).shape == voter.predict_proba(none).shape == (0, 3)


@each_voter
def test_zero_vectors_are_as_near_to_every_class(voter):
    voter.fit(*noisy_clips(5, (2, 2, 2)))
    assert voter.predict(np.zeros((1, 6, 4))).tolist() == [0]
    assert bool(np.isfinite(voter.predict_proba(np.zeros((1, 6, 4)))).all())


def test_a_held_out_class_without_clips_takes_the_overall_reliability():
    x, y = noisy_clips(6, (3, 3, 3))
    held_x, held_y = noisy_clips(7, (3, 0, 2))
    options = {"tau_p": 0.1, "reliability_split": "heldout"}
    conditional = Calm(**options).fit(x, y, heldout=(held_x, held_y))
    overall = CalmGlobal(**options).fit(x, y, heldout=(held_x, held_y))
    torch.testing.assert_close(conditional.reliability_[1], overall.reliability_)
