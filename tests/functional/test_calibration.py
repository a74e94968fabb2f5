import math

import numpy as np
import pytest
import torch

from calm_pl.functional import (
    FoldedClips,
    calibrate,
    calibrate_left_out,
    evidence_shares,
    mean_scores,
    most_likely,
    simplest_likely,
)
from calm_pl.functional.calibration import DEFAULT_SHARPNESS, SHARPNESS, TRUST, sharpness_sums, spread


def noisy_scores(seed, count=200, classes=4, scale=3.0):
    """Scores whose softmax at `scale` is what the labels are drawn from."""
    rng = np.random.default_rng(seed)
    scores = rng.standard_normal((count, classes))
    p = np.exp(scale * scores)
    p /= p.sum(1, keepdims=True)
    y = [rng.choice(classes, p=row) for row in p]
    return torch.from_numpy(scores), torch.tensor(y)


def slow_value(scores, y, beta, sigma):
    """Mean log-probability with the virtual clip, in plain floats."""
    total, uniform = 0.0, []
    for row, true in zip(scores.tolist(), y.tolist(), strict=True):
        logits = [beta / sigma * value for value in row]
        top = max(logits)
        norm = top + math.log(sum(math.exp(value - top) for value in logits))
        total += logits[true] - norm
        uniform += [value - norm for value in logits]
    return (total + sum(uniform) / len(uniform)) / (len(y) + 1)


@pytest.mark.parametrize("seed", range(4))
def test_the_gain_is_the_best_of_the_grid(seed):
    scores, y = noisy_scores(seed, count=30)
    sigma = spread(scores)
    values = [slow_value(scores, y, beta, sigma) for beta in SHARPNESS]
    best = SHARPNESS[int(np.argmax(values))]
    assert calibrate(scores, y).gain == pytest.approx(best / sigma)


@pytest.mark.parametrize("scale", [0.5, 3.0, 10.0])
def test_the_gain_finds_the_scale_that_labels_were_drawn_with(scale):
    found = calibrate(*noisy_scores(0, count=3000, scale=scale)).gain
    assert scale / 1.25 < found < scale * 1.25


def test_log_probabilities_are_those_of_the_true_class():
    scores, y = noisy_scores(1, count=10)
    found = calibrate(scores, y)
    expected = torch.log_softmax(found.gain * scores, -1)[torch.arange(10), y]
    torch.testing.assert_close(found.log_p_N, expected)


def test_clips_that_are_all_right_leave_the_gain_finite():
    gains = [calibrate(torch.eye(3).repeat(n, 1), torch.arange(3).repeat(n)).gain for n in (1, 5, 50)]
    assert gains[0] < gains[1] < gains[2] < SHARPNESS[-1] / spread(torch.eye(3))


def test_scores_without_a_message_get_the_least_gain():
    scores, y = noisy_scores(2, count=400)
    shuffled = y[torch.randperm(400, generator=torch.Generator().manual_seed(0))]
    assert calibrate(scores, shuffled).gain == pytest.approx(SHARPNESS[0] / spread(scores))


def test_no_clip_to_leave_out_gives_the_default():
    scores = torch.tensor([[3.0, 1.0], [1.0, 3.0]])
    found = calibrate_left_out(scores, FoldedClips(torch.tensor([0, 1]), torch.tensor([-1, -1])))
    assert found.gain == pytest.approx(DEFAULT_SHARPNESS)
    assert len(found.log_p_N) == 0


def test_only_clips_that_can_be_left_out_count():
    scores, y = noisy_scores(3, count=12, classes=2)
    y = torch.tensor([0] * 11 + [1])
    found = calibrate_left_out(scores, FoldedClips(y, torch.tensor([*range(11), -1])))
    assert found.gain == calibrate(scores[:11], y[:11]).gain
    assert len(found.log_p_N) == 11


def test_classes_that_a_clip_has_too_are_no_rivals():
    scores, y = noisy_scores(5, count=60, classes=3)
    four = torch.cat([scores, 100 * torch.ones(60, 1)], 1)  # a fourth class, which all clips have too
    also = torch.zeros(60, 4, dtype=torch.bool)
    also[:, 3] = True
    three = torch.log_softmax(scores, -1).double()
    expected = torch.stack([three.gather(1, y[:, None]).sum(), three.mean(-1).sum()])
    torch.testing.assert_close(sharpness_sums(four, y, also)[SHARPNESS.index(1)].double(), expected)
    fold = torch.arange(60)
    found = calibrate_left_out(four, FoldedClips(y, fold, also)).log_p_N
    rivals = calibrate_left_out(four, FoldedClips(y, fold)).log_p_N
    assert float(found.mean()) > float(rivals.mean()) + 0.3


def test_a_constant_added_to_a_clip_changes_nothing():
    scores, y = noisy_scores(4, count=20)
    moved = calibrate(scores + torch.arange(20.0)[:, None], y)
    assert moved.gain == pytest.approx(calibrate(scores, y).gain)


def test_most_likely_takes_the_first_of_equals():
    low, high = torch.tensor([-2.0, -2.0]), torch.tensor([-1.0, -1.0])
    assert most_likely([low, high, high.clone()]) == 1
    assert most_likely([low, low + 1e-12]) == 0


def test_simplest_is_taken_unless_it_is_clearly_worse():
    best = torch.zeros(4)
    # Differences 1, -1, 1, -1/2: mean 1/8, standard error about 0.45: not clearly worse.
    unsure = -torch.tensor([1.0, -1.0, 1.0, -0.5])
    clearly = -torch.tensor([1.0, 1.1, 0.9, 1.0])
    assert simplest_likely([unsure, best]) == 0
    assert simplest_likely([clearly, best]) == 1
    assert simplest_likely([clearly, unsure, best]) == 1


def test_evidence_shares_by_hand():
    # Sums of log-probabilities -3 and -13: odds of exp(TRUST·10) to one.
    candidates = [torch.tensor([-1.0, -2.0]).double(), torch.tensor([-6.0, -7.0]).double()]
    odds = math.exp(10 * TRUST)
    expected = torch.tensor([odds / (1 + odds), 1 / (1 + odds)]).double()
    torch.testing.assert_close(evidence_shares(candidates), expected)


def test_without_clips_all_candidates_count_alike():
    shares = evidence_shares([torch.zeros(0).double()] * 4)
    torch.testing.assert_close(shares, torch.full((4,), 0.25).double())


def test_mean_scores_by_hand():
    scores = [torch.tensor([[1.0, 3.0]]).double(), torch.tensor([[5.0, -1.0]]).double()]
    found = mean_scores(scores, torch.tensor([0.75, 0.25]))
    torch.testing.assert_close(found, torch.tensor([[2.0, 2.0]]).double())
