"""Student's t distribution without SciPy, whose import takes half a second."""

from __future__ import annotations

import math

_TERMS = 500
_TINY = 1e-300


def t_two_sided(t: float, df: float) -> float:
    """Return the probability that |T| is `|t|` or more.

    Args:
        t: the statistic; may be infinite.
        df: degrees of freedom, above 0; may be infinite, which is the normal distribution.
    """
    if math.isinf(df):
        return math.erfc(abs(t) / math.sqrt(2))
    if math.isinf(t):
        return 0.0
    return _incomplete_beta(df / 2, 0.5, df / (df + t * t))


def t_quantile95(df: float) -> float:
    """Return the t that |T| exceeds with probability 0.05, by bisection.

    Args:
        df: degrees of freedom, above 0; may be infinite.
    """
    low, high = 0.0, 2.0
    while t_two_sided(high, df) > 0.05:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if t_two_sided(middle, df) > 0.05 else (low, middle)
    return (low + high) / 2


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function (DLMF 8.17.22: Lentz's continued fraction)."""
    if x in (0.0, 1.0):
        return x
    if x > (a + 1) / (a + b + 2):  # where the fraction converges faster
        return 1 - _incomplete_beta(b, a, 1 - x)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    value, c, d = 1.0, 1.0, 0.0
    for n in range(_TERMS):
        m = n // 2
        if n == 0:
            numerator = 1.0
        elif n % 2:
            numerator = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            numerator = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1 / ((1 + numerator * d) or _TINY)
        c = (1 + numerator / c) or _TINY
        value *= c * d
        if abs(1 - c * d) < 1e-15 and n:
            break
    return math.exp(log_front) * (value - 1) / a
