"""95 % intervals from counts."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

_Z95 = 1.959963984540054
_CONFUSIONS_AT_ONCE = 2**23


class Interval(NamedTuple):
    """A 95 % interval of a fraction.

    Attributes:
        low: lower end.
        high: upper end.
    """

    low: float
    high: float


def middle95(values_B: np.ndarray) -> Interval:
    """Return the middle 95 % of bootstrap values."""
    low, high = np.quantile(values_B, [0.025, 0.975])
    return Interval(float(low), float(high))


def wilson(successes: int, total: int) -> Interval:
    """Compute Wilson's score interval of a share (E. B. Wilson, JASA 1927), which stays inside [0, 1].

    Raises:
        ValueError: no trial.
    """
    if total < 1:
        raise ValueError(f"Expected argument `total` to be 1 or more, but got {total}.")
    share, z2 = successes / total, _Z95**2
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = _Z95 / (1 + z2 / total) * math.sqrt(share * (1 - share) / total + z2 / (4 * total**2))
    # Rounding must not leave 0 or 1 outside where nothing or everything succeeded.
    low = max(0.0, centre - half) if successes else 0.0
    return Interval(low, min(1.0, centre + half) if successes < total else 1.0)


def macro_f1(confusion: np.ndarray) -> np.ndarray:
    """Compute the unweighted mean of F1 over the classes that occur as truth or prediction.

    Args:
        confusion: counts (..., C, C) or, with a last column of questions without an answer, (..., C, C + 1);
            rows are the truth.

    Returns:
        (...) float64.
    """
    hits = np.diagonal(confusion, axis1=-2, axis2=-1).astype(np.float64)
    ends = confusion.sum(-1) + confusion.sum(-2)[..., : hits.shape[-1]]
    f1 = np.divide(2 * hits, ends, out=np.zeros_like(hits), where=ends > 0)
    return f1.sum(-1) / np.maximum((ends > 0).sum(-1), 1)


def bootstrap_macro_f1(confusion: np.ndarray, resamples: int = 1000, seed: int = 0) -> Interval:
    """Compute a percentile bootstrap interval of Macro-F1 over clips.

    Drawing N clips with replacement is a multinomial draw over the cells of their confusion matrix, so the
    matrix is all that is needed.

    Args:
        confusion: as for `macro_f1`.
        resamples: bootstrap samples.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    cells = np.flatnonzero(confusion)
    counts = confusion.reshape(-1)[cells]
    total = int(counts.sum())
    step = max(1, _CONFUSIONS_AT_ONCE // confusion.size)
    values = []
    for start in range(0, resamples, step):
        draws = np.zeros((min(step, resamples - start), confusion.size), dtype=np.int64)
        draws[:, cells] = rng.multinomial(total, counts / total, size=len(draws))
        values.append(macro_f1(draws.reshape(-1, *confusion.shape)))
    return middle95(np.concatenate(values))
