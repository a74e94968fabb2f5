import numpy as np
import pytest
import torch

from calm_pl.functional import gda_dual, gda_left_out, gda_weights
from calm_pl.functional.gda import FLOOR

FEATURES = 30
COUNTS = [(3, 4, 2), (2, 2, 2), (1, 2, 3), (5, 1, 1), (12, 20), (1, 1, 1)]
RHOS = [0.1, 1.0, 10.0]


def clips(counts, seed=0):
    """Clips (N, F) around a mean a class, float64, mixed, and their classes."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    means = 2 * rng.standard_normal((len(counts), FEATURES))
    return means[y] + rng.standard_normal((len(y), FEATURES)), y


def ridge(x, y, rho):
    """λ, the variance that every direction is given."""
    z = x - np.stack([x[y == label].mean(0) for label in y])
    return rho * (np.square(z).sum() + FLOOR * np.square(x).sum()) / (len(x) - 1)


def primal(x, y, num_classes, rho):
    """The published classifier with its F x F precision written out: weights (F, C) and bias (C,)."""
    means = np.stack([x[y == c].mean(0) for c in range(num_classes)])
    z = x - means[y]
    precision = FEATURES * np.linalg.inv(z.T @ z + ridge(x, y, rho) * np.eye(FEATURES))
    return precision @ means.T, -0.5 * np.einsum("cf,fg,cg->c", means, precision, means)


def dual_of(x, y, counts):
    return gda_dual(torch.from_numpy(x @ x.T), torch.from_numpy(y), len(counts), FEATURES)


@pytest.mark.parametrize("rho", RHOS)
@pytest.mark.parametrize("counts", COUNTS)
def test_dual_is_primal(counts, rho):
    x, y = clips(counts)
    queries, _ = clips((3, 3), seed=1)
    found = gda_weights(dual_of(x, y, counts), rho)
    scores = queries @ x.T @ found.coefficients_NC.numpy() + found.bias_C.numpy()
    weights, bias = primal(x, y, len(counts), rho)
    np.testing.assert_allclose(scores, queries @ weights + bias, rtol=1e-9, atol=1e-9)


def test_published_formula():
    # D·((N - 1)·S + tr(S)·I)^(-1) of arXiv 2402.04087, S by NumPy; the floor is all that differs.
    x, y = clips((6, 8, 7))
    means = np.stack([x[y == c].mean(0) for c in range(3)])
    s = np.cov((x - means[y]).T)
    precision = FEATURES * np.linalg.pinv((len(x) - 1) * s + np.trace(s) * np.eye(FEATURES))
    expected = x @ precision @ means.T - 0.5 * np.einsum("cf,fg,cg->c", means, precision, means)
    found = gda_weights(dual_of(x, y, (6, 8, 7)), 1.0)
    scores = x @ x.T @ found.coefficients_NC.numpy() + found.bias_C.numpy()
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-4)


FOLDS = {
    "each clip alone": lambda y: np.arange(len(y)),
    "one of each class": lambda y: np.array([(y[:n] == c).sum() for n, c in enumerate(y)]),
    "two folds": lambda y: np.array([(y[:n] == c).sum() % 2 for n, c in enumerate(y)]),
    "one clip": lambda y: np.where(np.arange(len(y)) == np.flatnonzero(np.bincount(y)[y] > 1)[0], 0, -1),
}


def that_leave_every_class(fold, y):
    """The folds, but for clips whose class would be gone with theirs."""
    kept = fold.copy()
    for f, c in {(f, c) for f, c in zip(fold, y, strict=True) if f >= 0}:
        if (fold[y == c] == f).all():
            kept[y == c] = -1
    return kept


@pytest.mark.parametrize("rho", RHOS)
@pytest.mark.parametrize("folds", FOLDS.values(), ids=FOLDS)
@pytest.mark.parametrize("counts", COUNTS[:-1])
def test_left_out_is_a_refit_without_the_fold(counts, folds, rho):
    x, y = clips(counts)
    fold = that_leave_every_class(folds(y), y)
    found = gda_left_out(dual_of(x, y, counts), [rho], torch.from_numpy(fold))[0].numpy()
    full, bias = primal(x, y, len(counts), rho)
    for n in range(len(x)):
        if fold[n] < 0:
            np.testing.assert_allclose(found[n], x[n] @ full + bias, rtol=1e-7, atol=1e-7)
            continue
        rest = fold != fold[n]
        weights, its_bias = primal(x[rest], y[rest], len(counts), rho)
        expected = (x[n] @ weights + its_bias) * ridge(x[rest], y[rest], rho) / ridge(x, y, rho)
        np.testing.assert_allclose(found[n], expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())
    assert (fold >= 0).any()


def test_one_clip_a_class_gives_the_nearest_mean():
    x, y = clips((1, 1, 1, 1))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    queries, _ = clips((10, 10), seed=2)
    found = gda_weights(dual_of(x, y, (1, 1, 1, 1)), 1.0)
    scores = queries @ x.T @ found.coefficients_NC.numpy() + found.bias_C.numpy()
    distance = np.square(queries[:, None] - x[np.argsort(y)]).sum(-1)
    assert scores.argmax(1).tolist() == distance.argmin(1).tolist()


def test_copies_of_one_clip_have_no_scatter_and_are_told_apart():
    x, y = np.repeat(np.eye(2, FEATURES), 3, axis=0), np.repeat([0, 1], 3)
    found = gda_weights(dual_of(x, y, (3, 3)), 1.0)
    scores = x @ x.T @ found.coefficients_NC.numpy() + found.bias_C.numpy()
    assert np.isfinite(scores).all()
    assert scores.argmax(1).tolist() == y.tolist()
    left_out = gda_left_out(dual_of(x, y, (3, 3)), [1.0], torch.tensor([0, 1, 2] * 2))[0]
    assert left_out.argmax(1).tolist() == y.tolist()
