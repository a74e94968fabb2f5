"""The numbers that figures show, against hand-worked values, slow loops and other implementations."""

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import binary_eer

from calm_pl.figures import (
    Point,
    accuracy_over_heads_figure,
    agreement,
    class_reliability_figure,
    confidence_bins,
    effective_heads,
    error_rates,
    head_map_figure,
    head_overlap,
    rank_correlation,
    strongest_counts,
    survival,
)
from calm_pl.figures.survival import spread_out
from calm_pl.metrics import winner_calibration_error
from calm_pl.metrics.intervals import wilson


def test_survival_by_hand():
    weights = [[0.1, 0.2, 0.3, 0.4], [0.25, 0.25, 0.25, 0.25], [0.0, 0.0, 0.5, 0.5]]
    found = survival(weights, [0.0, 0.2, 0.25, 0.39, 0.5])
    # Shares strictly above each threshold.
    expected = [[1, 0.5, 0.5, 0.25, 0], [1, 1, 0, 0, 0], [0.5, 0.5, 0.5, 0.5, 0]]
    np.testing.assert_allclose(found, expected)


def test_uniform_weights_of_k_heads_survive_until_one_k_th():
    weights = torch.zeros(1, 8)
    weights[0, :4] = 0.25
    assert survival(weights, [0.2499, 0.25]).tolist() == [[0.5, 0.0]]
    assert effective_heads(weights).tolist() == [4.0]


def test_classes_shown_run_from_the_most_to_the_least_concentrated():
    peaks = [0.3, 0.9, 0.5, 0.7, 0.4]
    weights = [[p, *([(1 - p) / 3] * 3)] for p in peaks]
    assert spread_out(weights, 3) == [1, 2, 0]
    assert spread_out(weights, 9) == [1, 3, 2, 4, 0]


def test_strongest_heads_by_hand():
    # Three classes over 2 layers x 3 heads, layer-major; the last class has a tie of heads 1 and 4.
    weights = torch.tensor(
        [[0.1, 0.1, 0.2, 0.1, 0.1, 0.4], [0, 0, 0.1, 0.1, 0.1, 0.7], [0.1, 0.3, 0.1, 0.1, 0.3, 0.1]],
        dtype=torch.bfloat16,
    )
    assert strongest_counts(weights, 2).tolist() == [[0, 1, 0], [0, 0, 2]]
    with pytest.raises(ValueError, match="divide the 6 heads, but got 4"):
        strongest_counts(weights, 4)


def test_overlap_against_pairs_of_sets():
    rng = np.random.default_rng(0)
    reliability = rng.integers(0, 6, (4, 3, 12)) / 5  # with ties
    for k in (1, 3, 7):
        for c in range(3):
            sets = [set(sorted(range(12), key=lambda h: (-row[c, h], h))[:k]) for row in reliability]
            pairs = [len(a & b) / k for i, a in enumerate(sets) for b in sets[i + 1 :]]
            assert head_overlap(reliability, k)[c] == pytest.approx(np.mean(pairs))


def test_the_same_support_twice_agrees_wholly_and_random_ones_by_chance():
    rng = np.random.default_rng(0)
    one = rng.random((1, 2, 200))
    assert agreement(np.concatenate([one, one]), (1, 10, 100)).mean == (1, 1, 1)
    found = agreement(rng.random((20, 50, 200)), (20, 100, 200))
    assert found.k == (20, 100)
    np.testing.assert_allclose(found.mean, [0.1, 0.5], atol=0.01)


def test_calibration_error_is_that_of_the_metrics():
    rng = np.random.default_rng(0)
    # Bin edges included: 1/15, 1, and values that many answers share.
    confidence = np.concatenate([rng.beta(4, 2, 500), [1.0, 1.0, 0.0, 0.5, 0.5], np.full(20, 0.05)])
    confidence = confidence.astype(np.float32)
    right = rng.random(len(confidence)) < confidence * 0.8
    bins = confidence_bins(confidence, right)
    expected = winner_calibration_error(torch.from_numpy(confidence), torch.from_numpy(right))
    assert bins.ece == pytest.approx(expected, abs=1e-6)
    assert bins.count_B.sum() == len(confidence)
    assert bins.right_B.sum() == right.sum()


@pytest.mark.parametrize("digits", [1, 6])
def test_equal_error_rate_is_that_of_the_metrics(digits):
    rng = np.random.default_rng(digits)
    positive = rng.random(400) < 0.1
    score = np.round(1 / (1 + np.exp(-rng.normal(positive * 1.5, 1))), digits)
    rates = error_rates(score, positive)
    expected = binary_eer(torch.from_numpy(score), torch.from_numpy(positive).long())
    assert rates.eer == pytest.approx(float(expected), abs=1e-6)
    for threshold in (0.3, 0.5, 0.8):  # every threshold's rates are on the curve
        accept = score >= threshold
        point = (accept[~positive].mean(), 1 - accept[positive].mean())
        curve = np.stack(rates, 1)
        assert np.abs(curve - point).max(1).min() < 1e-12


def test_error_rates_need_both_kinds():
    with pytest.raises(ValueError, match="0 of 2 clips are positive"):
        error_rates([0.1, 0.2], [False, False])


def test_rank_correlation_is_spearmans():
    from scipy.stats import spearmanr

    rng = np.random.default_rng(0)
    one = rng.integers(0, 10, 80)
    other = one + rng.integers(0, 12, 80)
    assert rank_correlation(one, other) == pytest.approx(spearmanr(one, other).statistic)
    assert np.isnan(rank_correlation([1, 1, 1], [1, 2, 3]))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, 2.0], r"`weights_CH` to have 2 dimensions, but got \(2,\)"),
        ([[float("nan"), 1.0]], "contains NaN or infinity"),
        (np.zeros((0, 4)), "2 dimensions"),
    ],
)
def test_bad_arrays_are_named(weights, message):
    with pytest.raises(ValueError, match=message):
        effective_heads(weights)


def test_layer_0_is_at_the_top_as_on_the_page():
    figure = head_map_figure(np.arange(12).reshape(3, 4))
    low, high = figure.axes[0].get_ylim()
    assert low > high


def test_ties_name_no_head():
    from calm_pl.figures.run import _most

    assert _most(np.array([[0, 2], [1, 0]])) == "layer 0, head 1 has the most, 2"
    assert _most(np.array([[2, 0], [1, 2]])) == "2 heads have the most, 2"


def test_accuracies_of_classes_have_intervals_on_a_whole_axis():
    figure = class_reliability_figure([0.5, 0.6], [0.5, 5 / 6], ["a", "b"], [6, 6])
    (axes,) = figure.axes
    low, high = axes.get_ylim()
    assert low <= 0 < 1 <= high
    (lines,) = axes.collections
    spans = [path.vertices[:, 1].tolist() for path in lines.get_paths()]
    assert spans == [list(wilson(3, 6)), list(wilson(5, 6))]


@pytest.mark.parametrize(
    ("accuracies", "least"), [([0.50, 0.51], 0.2), ([0.98, 1.0], 0.2), ([0.1, 0.9], 0.8)]
)
def test_a_clip_is_no_cliff(accuracies, least):
    points = [Point(k, [accuracy]) for k, accuracy in zip((1, 2), accuracies, strict=True)]
    low, high = accuracy_over_heads_figure({"CALM": points}).axes[0].get_ylim()
    assert high - low >= least - 0.03
    assert low <= min(accuracies)
    assert high >= max(accuracies)
