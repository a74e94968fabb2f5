"""Whether heads differ by class: reliabilities of the same heads, measured on two halves of the clips."""

from __future__ import annotations

import itertools

import numpy as np
from scipy import stats

RELABELLINGS = 500
"""Random orders of the classes of the second half, for the permutation test."""
FEW = 5
"""Up to so many classes every order is taken."""


def compare(first_CH: np.ndarray, second_CH: np.ndarray, rng: np.random.Generator) -> dict[str, float]:
    """Compare the reliabilities of two halves.

    Args:
        first_CH: reliability of each head for each class in the first half.
        second_CH: the same in the second.
        rng: draws orders of the classes.

    Returns:
        `same` and `other`: Spearman's correlation over heads between the halves, of a class with itself and
        of a class with another, averaged; `gap`, their difference. `p_value`: share of orders of the second
        half's classes, the true one among them, with a `same` at least as high. `own_share`: the part of the
        reproducible variance over heads that belongs to head and class together rather than to the head.
        `strongest_same` and `strongest_other`: how often a class's most reliable head is the same in both
        halves, and how often that of another class is. `strongest_heads`: how many heads are some class's
        most reliable one. `reliability`: the mean; `spread_over_heads`: standard deviation of heads' means.
    """
    classes = len(first_CH)
    rank_CH, other_CH = (_standard(stats.rankdata(r_CH, axis=1)) for r_CH in (first_CH, second_CH))
    cor_CC = rank_CH @ other_CH.T / rank_CH.shape[1]
    same = float(np.trace(cor_CC)) / classes
    off = float(cor_CC.sum() - np.trace(cor_CC)) / (classes * (classes - 1))
    if classes <= FEW:
        orders = [list(order) for order in itertools.permutations(range(classes))]
    else:
        orders = [rng.permutation(classes).tolist() for _ in range(RELABELLINGS)]
        orders.append(list(range(classes)))
    permuted = [cor_CC[range(classes), order].mean() for order in orders]
    of_head, of_both = _reproduced(first_CH, second_CH)
    strongest = first_CH.argmax(1)[:, None] == second_CH.argmax(1)[None]
    return {
        "same": same,
        "other": off,
        "gap": same - off,
        "p_value": float(np.mean(np.array(permuted) >= same - 1e-12)),
        "own_share": of_both / (of_head + of_both) if of_head + of_both > 0 else 0.0,
        "strongest_same": float(np.trace(strongest)) / classes,
        "strongest_other": float(strongest.sum() - np.trace(strongest)) / (classes * (classes - 1)),
        "strongest_heads": float(len(set(first_CH.argmax(1).tolist()))),
        "reliability": float(first_CH.mean()),
        "spread_over_heads": float(first_CH.mean(0).std()),
    }


def _standard(x_CH: np.ndarray) -> np.ndarray:
    x_CH = x_CH - x_CH.mean(1, keepdims=True)
    return np.asarray(x_CH / np.maximum(x_CH.std(1, keepdims=True), 1e-12))


def _reproduced(first_CH: np.ndarray, second_CH: np.ndarray) -> tuple[float, float]:
    """Covariances between the halves: of heads' means over classes, and of what is left by head and class.

    The left-over covariance is divided by its share of degrees of freedom, (C - 1) / C, whose rest is in the
    covariance of means, from which it is taken out. Neither is below 0.
    """
    classes = len(first_CH)
    centred = [r_CH - r_CH.mean(1, keepdims=True) for r_CH in (first_CH, second_CH)]
    means = [r_CH.mean(0) for r_CH in centred]
    rest = [r_CH - mean for r_CH, mean in zip(centred, means, strict=True)]
    of_both = float((rest[0] * rest[1]).mean()) * classes / (classes - 1)
    of_head = float((means[0] * means[1]).mean()) - of_both / classes
    return max(of_head, 0.0), max(of_both, 0.0)
