"""Intervals of metrics of scores: against slow loops, over clusters and draws, and at the edges."""

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import binary_average_precision, binary_eer

from calm_pl.metrics.average_precision import precision_left_out
from calm_pl.metrics.calibration import winner_calibration_error
from calm_pl.metrics.jackknife import Predicted
from calm_pl.metrics.score_intervals import calibration_chance, eer_chance, precision_chance
from calm_pl.metrics.suite import RoundResult
from calm_pl.metrics.summary import summarise


def slow_map(score_NC, truth_NC):
    present = [c for c in range(truth_NC.shape[1]) if truth_NC[:, c].any()]
    each = [
        binary_average_precision(torch.from_numpy(score_NC[:, c]), torch.from_numpy(truth_NC[:, c]).long())
        for c in present
    ]
    return float(torch.stack(each).mean()) if each else float("nan")


@pytest.mark.parametrize("ties", [False, True])
def test_precision_without_each_clip_is_that_of_the_others(ties):
    rng = np.random.default_rng(ties)
    score_NC = rng.random((25, 4)).round(1 if ties else 9)
    truth_NC = rng.random((25, 4)) < [0.5, 0.2, 0.05, 0]
    truth_NC[3] = [True, False, True, True]  # the only clip of a class
    expected = [slow_map(np.delete(score_NC, n, 0), np.delete(truth_NC, n, 0)) for n in range(25)]
    np.testing.assert_allclose(precision_left_out(score_NC, truth_NC), expected, rtol=1e-5)


def test_without_its_only_positive_nothing_is_left():
    assert np.isnan(precision_left_out(np.ones((2, 1)), np.array([[True], [False]]))).tolist() == [
        True,
        False,
    ]


def detection(seed, positives=60, negatives=400, draws=1, separation=2.0):
    rng = np.random.default_rng(seed)
    truth = np.arange(positives + negatives) < positives
    score = truth[:, None] * separation + rng.standard_normal((len(truth), draws))
    return score, truth, np.zeros(len(truth), dtype=int)


def test_the_interval_of_the_equal_error_rate_is_as_wide_as_new_clips_vary():
    rates = []
    for seed in range(200):
        score, truth, _ = detection(seed)
        rates.append(float(binary_eer(torch.from_numpy(score[:, 0]), torch.from_numpy(truth).long())))
    widths = []
    for seed in range(20):
        score, truth, fold = detection(seed)
        chance = eer_chance(score, truth, fold, np.arange(len(truth)))
        assert chance.draws is None
        assert chance.both.low < rates[seed] < chance.both.high
        widths.append(chance.both.high - chance.both.low)
    assert np.mean(widths) == pytest.approx(2 * 2.0 * np.std(rates), rel=0.25)


def test_clips_of_one_speaker_widen_it_and_further_draws_count():
    score, truth, fold = detection(0, draws=3)
    alone = eer_chance(score, truth, fold, np.arange(len(truth)))
    speakers = eer_chance(score, truth, fold, np.arange(len(truth)) // 20)
    assert speakers.both.high - speakers.both.low > alone.both.high - alone.both.low
    assert alone.draws is not None
    assert alone.both.high - alone.both.low >= alone.clips.high - alone.clips.low


def test_it_is_a_mean_over_folds():
    score, truth, _ = detection(1, positives=100)
    fold = np.arange(len(truth)) % 2
    chance = eer_chance(score, truth, fold, np.arange(len(truth)))
    rates = [
        float(binary_eer(torch.from_numpy(score[fold == f, 0]), torch.from_numpy(truth[fold == f]).long()))
        for f in (0, 1)
    ]
    assert chance.both.low < np.mean(rates) < chance.both.high


@pytest.mark.parametrize("draws", [1, 2])
def test_where_a_class_is_missing_nothing_is_known(draws):
    score, truth, fold = detection(0, draws=draws)
    chance = eer_chance(score[truth], truth[truth], fold[truth], np.arange(truth.sum()))
    assert chance.both == (0, 1)
    assert chance.draws == ((0, 1) if draws == 2 else None)
    assert precision_chance(np.array([[np.nan]]), [np.zeros((1, 3))], 3).both == (0, 1)


def test_perfect_detection_is_not_certain():
    truth = np.arange(40) < 20
    chance = eer_chance(truth[:, None] * 9.0, truth, np.zeros(40, dtype=int), np.arange(40))
    assert chance.both.low == 0
    assert 0.1 < chance.both.high < 0.3


def test_the_interval_of_the_calibration_error_holds_it_and_reaches_0_where_chance_explains_it():
    rng = np.random.default_rng(0)
    confidence = rng.beta(4, 2, (300, 2))
    right = rng.random((300, 2)) < confidence
    error = winner_calibration_error(torch.from_numpy(confidence.ravel()), torch.from_numpy(right.ravel()))
    chance = calibration_chance(confidence, right, np.arange(300))
    assert chance.both.low == 0 < error < chance.both.high < 0.15
    sure = calibration_chance(np.full((300, 1), 0.95), np.arange(300)[:, None] % 2 == 0, np.arange(300))
    assert 0.35 < sure.both.low < 0.45 < sure.both.high < 0.55
    together = calibration_chance(confidence, right, np.arange(300) // 50)
    assert together.both.high > chance.both.high


def test_of_a_calibrated_method_with_few_clips_the_calibration_error_may_be_0():
    reached = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        confidence = rng.beta(4, 2, (60, 1))
        chance = calibration_chance(confidence, rng.random((60, 1)) < confidence, np.arange(60))
        reached += chance.both.low == 0
    assert reached >= 19


def test_the_value_inside_the_interval_is_the_metrics():
    rng = np.random.default_rng(1)
    confidence = rng.beta(2, 2, (200, 1))
    right = rng.random((200, 1)) < 0.5
    chance = calibration_chance(confidence, right, np.arange(200))
    error = winner_calibration_error(torch.from_numpy(confidence.ravel()), torch.from_numpy(right.ravel()))
    assert chance.clips.high - error == pytest.approx(chance.both.high - error)
    # Student's interval is symmetric about the value before the lower end is lowered.
    assert chance.both.high > error > chance.both.low


def test_a_summary_has_the_intervals_of_what_it_knows():
    label, clip = np.arange(40) % 2, np.arange(40)
    rng = np.random.default_rng(2)
    predicted = np.where(rng.random((40, 1)) < 0.8, label[:, None], 2)  # the others have no prediction
    confidence = np.where(predicted < 2, 0.9, 0.0)
    left_out = 0.7 + 0.02 * rng.standard_normal(40)
    one = RoundResult(
        {"accuracy": 0.8, "map": 0.7, "eer": 0.2}, 40, 32, 40, np.array([[16, 0, 4], [0, 16, 4]]), left_out
    )
    of = Predicted(label, predicted, clip, np.zeros(40, dtype=int), clip // 2, confidence, 1)
    result = summarise([[one]], of)
    assert {"accuracy", "macro_f1", "exact_match", "map", "eer", "ece"} == set(result.ci95)
    low, high = result.ci95["map"]
    assert low < 0.7 < high
    by_pair = (left_out - 0.7).reshape(20, 2).sum(1)
    spread = np.sqrt(19 / 20 * np.square(by_pair - by_pair.mean()).sum())
    assert high - low == pytest.approx(2 * 2.093 * spread, rel=0.2)
    plain = summarise([[one._replace(left_out_N=None)]], of._replace(confidence_QD=None))
    assert {"accuracy", "macro_f1", "exact_match"} == set(plain.ci95)
