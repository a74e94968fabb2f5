import math

import numpy as np
import pytest
import scipy.stats

from calm_pl.metrics import estimate, mcnemar, paired_difference, pairwise_differences


def test_mcnemar_by_hand():
    # Three clips only the first got right, one only the second: P(at most 1 of 4 heads) = 5/16, twice.
    first = np.array([1, 1, 1, 0, 1, 0], dtype=bool)
    second = np.array([0, 0, 0, 1, 1, 0], dtype=bool)
    assert mcnemar(first, second) == (3, 1, pytest.approx(10 / 16))
    assert mcnemar(second, first) == (1, 3, pytest.approx(10 / 16))


@pytest.mark.parametrize("right", [np.ones(5, bool), np.zeros(5, bool), np.zeros(0, bool)])
def test_equal_methods_are_not_told_apart(right):
    assert mcnemar(right, right) == (0, 0, 1.0)


def test_as_many_gains_as_losses_is_no_evidence():
    assert mcnemar(np.array([True, False]), np.array([False, True])).p_value == 1.0


def test_thousands_of_discordant_clips_do_not_underflow_or_overflow():
    first = np.arange(5000) < 2700
    found = mcnemar(first, ~first)
    # The normal approximation with continuity correction.
    z = (abs(2700 - 2300) - 1) / math.sqrt(5000)
    assert found.p_value == pytest.approx(math.erfc(z / math.sqrt(2)), rel=0.05)


def test_the_test_is_as_exact_as_it_says():
    # Two equal classifiers: at most 5 % of 2,000 comparisons may be called different.
    rng = np.random.default_rng(0)
    called = [mcnemar(*(rng.random((2, 60)) < 0.7)).p_value < 0.05 for _ in range(2000)]
    assert np.mean(called) < 0.06


def test_the_mean_and_the_interval_of_independent_clips():
    rng = np.random.default_rng(1)
    right = (rng.random(400) < 0.8).astype(float)
    found = estimate(right[None])
    assert found.mean == right.mean()
    half = 1.96 * math.sqrt(right.mean() * (1 - right.mean()) / 400)
    assert found.interval.low == pytest.approx(right.mean() - half, abs=0.006)
    assert found.interval.high == pytest.approx(right.mean() + half, abs=0.006)
    assert found.interval == found.clips
    # One draw says nothing of other draws.
    assert found.draws == (found.mean, found.mean)


def test_clips_and_draws_are_told_apart():
    by_clip = np.tile(np.arange(50) % 2, (10, 1)).astype(float)  # every draw the same
    by_draw = np.tile((np.arange(10) % 2)[:, None], (1, 50)).astype(float)  # every clip the same
    for values, varies, fixed in ((by_clip, "clips", "draws"), (by_draw, "draws", "clips")):
        found = estimate(values)
        assert getattr(found, fixed) == (0.5, 0.5)
        assert getattr(found, varies).high - getattr(found, varies).low > 0.2


def test_clustered_clips_by_the_definition():
    rng = np.random.default_rng(2)
    cluster = np.repeat(np.arange(12), np.arange(1, 13))
    values = (rng.random(12)[cluster] > 0.4).astype(float)
    found = estimate(values[None], cluster)
    left = np.array([values[cluster != k].mean() for k in range(12)])
    half = scipy.stats.t.ppf(0.975, 11) * math.sqrt(11 / 12 * ((left - left.mean()) ** 2).sum())
    assert found.clips == pytest.approx((values.mean() - half, values.mean() + half))
    assert found.p_value == pytest.approx(
        2 * scipy.stats.t.sf(values.mean() / half * scipy.stats.t.ppf(0.975, 11), 11)
    )
    # Clips of one cluster stand or fall together: the interval is wider than that of lone clips.
    lone = estimate(values[None]).clips
    assert found.clips.high - found.clips.low > 1.5 * (lone.high - lone.low)


def test_single_draws_of_single_clips_are_the_t_test():
    values = np.random.default_rng(7).standard_normal(30) + 0.4
    found, known = estimate(values[None]), scipy.stats.ttest_1samp(values, 0)
    assert found.p_value == pytest.approx(known.pvalue)
    assert found.interval == pytest.approx(tuple(known.confidence_interval()))


def test_names_of_clusters_do_not_matter():
    values = np.random.default_rng(3).random((3, 6))
    assert estimate(values, np.array([5, 5, 9, 9, 2, 2])) == estimate(values, np.array(list("bbccaa")))


def test_a_paired_difference_is_narrower_than_two_intervals():
    rng = np.random.default_rng(4)
    hard = rng.random(300)
    first, second = (hard < 0.75)[None], (hard < 0.70)[None]
    found = paired_difference(first, second)
    assert found.mean == pytest.approx(first.mean() - second.mean())
    assert found.interval.low > 0
    assert found.interval.high - found.interval.low < 0.5 * np.ptp(estimate(first).interval)
    assert paired_difference(second, first).mean == -found.mean


def test_intervals_cover_as_often_as_they_say():
    # 95 % of 400 intervals of a mean over 60 clips and 8 draws with both kinds of chance.
    rng = np.random.default_rng(5)
    inside = 0
    for _ in range(400):
        values = rng.standard_normal((8, 1)) + rng.standard_normal((1, 60)) + rng.standard_normal((8, 60))
        low, high = estimate(values).interval
        inside += low < 0 < high
    assert 0.92 <= inside / 400 <= 0.98


def test_six_speakers_are_covered_as_often_as_60():
    rng = np.random.default_rng(6)
    speaker, inside = np.repeat(np.arange(6), 10), 0
    for _ in range(400):
        low, high = estimate(
            (rng.standard_normal(6)[speaker] + rng.standard_normal(60))[None], speaker
        ).interval
        inside += low < 0 < high
    assert 0.92 <= inside / 400 <= 0.98


def test_two_equal_methods_are_told_apart_in_one_of_twenty():
    rng = np.random.default_rng(8)
    called = [paired_difference(*(rng.random((2, 1, 60)) < 0.7)).p_value < 0.05 for _ in range(1_000)]
    assert 0.02 <= np.mean(called) <= 0.07


def test_bad_shapes_are_refused():
    with pytest.raises(ValueError, match="N positive"):
        estimate(np.zeros((2, 0)))
    with pytest.raises(ValueError, match="clusters"):
        estimate(np.zeros((2, 3)), np.zeros(2))
    with pytest.raises(ValueError, match="the same clips"):
        paired_difference(np.zeros((1, 3)), np.zeros((1, 4)))
    with pytest.raises(ValueError, match="the same clips"):
        mcnemar(np.zeros(3, bool), np.zeros(4, bool))


def test_all_pairs_are_what_each_is_alone():
    rng = np.random.default_rng(0)
    right = {name: rng.random((3, 60)) < level for name, level in (("a", 0.8), ("b", 0.6), ("c", 0.6))}
    cluster = np.arange(60) // 3
    found = pairwise_differences(right, cluster)
    assert len(found) == 3
    for one in found:
        alone = paired_difference(right[one.better], right[one.worse], cluster)
        assert one.difference == alone.mean
        assert one.interval == pytest.approx(alone.interval, abs=1e-12)
    same = pairwise_differences({"a": right["a"], "twin": right["a"].copy()}, cluster)
    assert (same[0].interval, same[0].significant) == ((0.0, 0.0), False)
    assert pairwise_differences({"a": right["a"]}, cluster) == []


@pytest.mark.parametrize(("mean", "significant"), [(0.0, False), (0.1, True)])
def test_the_p_value_and_the_interval_say_the_same(mean, significant):
    rng = np.random.default_rng(9)
    for scale in (0.1, 0.3, 1.0):
        found = estimate(mean + scale * rng.standard_normal((3, 40)))
        assert (found.p_value < 0.05) == (not found.interval.low <= 0 <= found.interval.high)
    tight = estimate(mean + 0.01 * rng.standard_normal((3, 40)))
    assert (tight.p_value < 0.05) == significant


@pytest.mark.parametrize(("first", "second"), [(0, 1), (7, 3), (40, 60), (2100, 1900)])
def test_mcnemar_sums_binomials_exactly(first, second):
    one = np.r_[np.ones(first, dtype=bool), np.zeros(second, dtype=bool)]
    total = first + second
    tail = sum(math.comb(total, k) for k in range(min(first, second) + 1))
    assert mcnemar(one, ~one).p_value == min(1.0, 2 * tail / 2**total)
