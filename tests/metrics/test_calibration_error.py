import math

import numpy as np
import pytest
import torch

from calm_pl.metrics import abstention, calibration_scores, set_coverage

P = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
Y = torch.tensor([0, 1, 1, 0])


def test_by_hand():
    found = calibration_scores(P, Y)
    # Four bins of one clip: |1 - 0.9|, |0 - 0.8|, |1 - 0.7|, |1 - 0.6|.
    assert found.ece == pytest.approx((0.1 + 0.8 + 0.3 + 0.4) / 4)
    assert found.nll == pytest.approx(-(math.log(0.9) + math.log(0.2) + math.log(0.7) + math.log(0.6)) / 4)
    assert found.brier == pytest.approx(2 * (0.1**2 + 0.8**2 + 0.3**2 + 0.4**2) / 4)


def test_the_error_against_a_loop_over_bins():
    rng = np.random.default_rng(0)
    p = rng.dirichlet([0.5] * 4, 500)
    y = rng.integers(0, 4, 500)
    confidence, right = p.max(1), p.argmax(1) == y
    expected = 0.0
    for b in range(15):
        inside = (confidence > b / 15) & (confidence <= (b + 1) / 15)
        if inside.any():
            expected += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    assert calibration_scores(torch.from_numpy(p), torch.from_numpy(y)).ece == pytest.approx(
        expected, abs=1e-5
    )


def test_labels_drawn_from_the_probabilities_are_calibrated():
    rng = np.random.default_rng(1)
    p = rng.dirichlet([1.0] * 3, 20_000)
    y = (p.cumsum(1) < rng.random((len(p), 1))).sum(1).clip(max=2)
    assert calibration_scores(torch.from_numpy(p), torch.from_numpy(y)).ece < 0.02


def test_a_certain_mistake_costs_much_but_not_infinity():
    found = calibration_scores(torch.tensor([[1.0, 0.0]]), torch.tensor([1]))
    assert found.ece == 1
    assert found.brier == 2
    assert 50 < found.nll < 100


@pytest.mark.parametrize(
    ("threshold", "coverage", "accuracy"), [(0.0, 1.0, 0.75), (0.65, 0.75, 2 / 3), (0.85, 0.25, 1.0)]
)
def test_answering_only_where_confident(threshold, coverage, accuracy):
    assert abstention(P, Y, threshold) == (coverage, pytest.approx(accuracy))


def test_no_answer_has_no_accuracy():
    found = abstention(P, Y, 0.95)
    assert found.coverage == 0
    assert math.isnan(found.accuracy)


def test_sets_by_hand():
    sets = torch.tensor([[True, False], [True, False], [True, True], [True, True]])
    assert set_coverage(sets, Y) == (0.75, 1.5)


def test_no_clip_is_refused():
    with pytest.raises(ValueError, match="at least one clip"):
        calibration_scores(P[:0], Y[:0])
