import numpy as np
import pytest
import torch

from calm_pl.functional import conformal_sets, conformal_threshold


def test_threshold_by_hand():
    # Scores 0.1, 0.2, ..., 0.9. At 0.8 the (9 + 1)·0.8 = 8th smallest: 0.8.
    own_p = torch.tensor([0.5, 0.4, 0.3, 0.2, 0.1, 0.9, 0.8, 0.7, 0.6], dtype=torch.float64)
    assert conformal_threshold(own_p, 0.8) == pytest.approx(0.8)
    assert conformal_threshold(own_p, 0.75) == pytest.approx(0.8)
    assert conformal_threshold(own_p, 0.9) == pytest.approx(0.9)
    assert conformal_threshold(own_p, 0.91) == 1.0


def test_too_few_clips_let_every_class_in():
    assert conformal_threshold(torch.full((8,), 0.99), 0.9) == 1.0
    assert conformal_threshold(torch.empty(0), 0.5) == 1.0
    assert conformal_sets(torch.tensor([[1.0, 0.0, 0.0]]), 1.0).all()


def test_sets_by_hand():
    p = torch.tensor([[0.7, 0.2, 0.1], [0.4, 0.35, 0.25], [0.34, 0.33, 0.33]])
    assert conformal_sets(p, 0.7).tolist() == [[True, False, False], [True, True, False], [True, True, True]]
    # The likeliest class is in, however strict the threshold.
    assert conformal_sets(p, 0.1).tolist() == [[True, False, False]] * 3


@pytest.mark.parametrize("coverage", [0.0, 1.0, -0.1, 1.5])
def test_a_coverage_outside_0_and_1_is_refused(coverage):
    with pytest.raises(ValueError, match="coverage"):
        conformal_threshold(torch.ones(3), coverage)


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9])
@pytest.mark.parametrize("gain", [0.3, 1.0, 5.0])
def test_held_out_clips_give_the_coverage_asked_for_whatever_the_model(coverage, gain):
    # Split conformal: 39 calibration clips, 200 draws; probabilities far too sharp or too flat.
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(200):
        y = rng.integers(0, 4, 139)
        logits = rng.standard_normal((139, 4)) + 1.5 * np.eye(4)[y]
        p = torch.softmax(torch.from_numpy(gain * logits), -1)
        own = p[torch.arange(39), torch.from_numpy(y[:39])]
        sets = conformal_sets(p[39:], conformal_threshold(own, coverage))
        inside.append(float(sets[torch.arange(100), torch.from_numpy(y[39:])].double().mean()))
    # The set also holds the winner, so coverage may exceed; it may not fall short beyond chance.
    error = np.std(inside) / 200**0.5
    assert np.mean(inside) > coverage - 3 * error
