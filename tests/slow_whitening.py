"""Whitened cosines of one vector, with the matrix written out."""

import numpy as np

from calm_pl.functional.whitening import FLOOR


def slow_cosines(x, y, num_classes, query, shrink):
    """Cosines of one vector of one head with the class means under A^(-1), A written out; x (N, D)."""
    means = np.stack([x[y == c].mean(0) for c in range(num_classes)])
    z = x - means[y]
    scatter = z.T @ z
    target = (np.trace(scatter) + FLOOR * np.square(x).sum()) / x.shape[1]
    a = np.linalg.inv((1 - shrink) * scatter + shrink * target * np.eye(x.shape[1]))
    return [query @ a @ m / np.sqrt((query @ a @ query) * (m @ a @ m)) for m in means]
