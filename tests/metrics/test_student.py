"""Student's t against SciPy's."""

import math

import pytest
from scipy import stats

from calm_pl.metrics.student import t_quantile95, t_two_sided


@pytest.mark.parametrize("df", [0.5, 1, 2, 2.7, 5, 9, 30, 100.5, 1e3, 1e5])
def test_it_is_scipys(df):
    assert t_quantile95(df) == pytest.approx(stats.t.ppf(0.975, df), rel=1e-10)
    for t in (0.0, 0.01, -0.5, 1.0, 2.0, 5.0, 20.0):
        assert t_two_sided(t, df) == pytest.approx(2 * stats.t.sf(abs(t), df), rel=1e-9)


def test_at_infinity_it_is_normal():
    assert t_quantile95(math.inf) == pytest.approx(stats.norm.ppf(0.975), rel=1e-12)
    assert t_two_sided(3.0, math.inf) == pytest.approx(2 * stats.norm.sf(3))
    assert t_two_sided(math.inf, 5) == 0
