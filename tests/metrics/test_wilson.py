"""Wilson's interval, by known values and by the equation that defines it."""

import math
from statistics import NormalDist

import pytest

from calm_pl.metrics import wilson

Z = NormalDist().inv_cdf(0.975)


@pytest.mark.parametrize(
    ("successes", "total", "low", "high"),
    [
        # z^2 / (n + z^2) where nothing or everything succeeded
        (0, 10, 0.0, 0.27753),
        (10, 10, 0.72247, 1.0),
        (5, 10, 0.23659, 0.76341),
        (1, 1, 0.20655, 1.0),
        (0, 1, 0.0, 0.79345),
        # R. G. Newcombe, Statistics in Medicine 1998, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_known_values(successes, total, low, high):
    assert wilson(successes, total) == pytest.approx((low, high), abs=6e-5)


@pytest.mark.parametrize(("successes", "total"), [(1, 10), (40, 80), (396, 400), (7_000, 15_446)])
def test_ends_are_where_the_score_test_rejects(successes, total):
    # Wilson's ends are the shares p whose own standard error is |share - p| / z.
    for p in wilson(successes, total):
        assert abs(successes / total - p) == pytest.approx(Z * math.sqrt(p * (1 - p) / total), rel=1e-9)


@pytest.mark.parametrize("total", [1, 2, 7, 400, 10**6])
def test_the_share_lies_inside_and_the_ends_in_the_unit_interval(total):
    for successes in {0, 1, total // 2, total - 1, total}:
        low, high = wilson(successes, total)
        assert 0 <= low < high <= 1
        assert low - 1e-12 <= successes / total <= high + 1e-12


@pytest.mark.parametrize("total", [1, 7, 80, 400, 10**6])
def test_nothing_and_everything_end_exactly_at_the_border(total):
    # Rounding must not turn 0 into 3e-17 or 1 into 0.9999999999999999, which leaves the share outside.
    assert wilson(0, total).low == 0
    assert wilson(total, total).high == 1


def test_more_clips_narrow_it():
    widths = [(i := wilson(n // 2, n)).high - i.low for n in (10, 100, 1_000, 10_000)]
    assert widths == sorted(widths, reverse=True)


def test_successes_and_failures_are_mirrored():
    one, other = wilson(3, 17), wilson(14, 17)
    assert one.low == pytest.approx(1 - other.high)
    assert one.high == pytest.approx(1 - other.low)


@pytest.mark.parametrize("total", [0, -1])
def test_no_trial_is_refused(total):
    with pytest.raises(ValueError, match=rf"`total` to be 1 or more, but got {total}\."):
        wilson(0, total)
