import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from calm_pl.functional import logistic_fits, logistic_left_out

FEATURES = 12


def clips(counts, seed=0, common=3.0):
    """Clips (N, F) around a mean a class, all with a common part, and their classes."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    means = rng.standard_normal((len(counts), FEATURES)) + common
    return means[y] + 1.5 * rng.standard_normal((len(y), FEATURES)), y


def reference(x, y, queries):
    """Log-probabilities of scikit-learn's fit, to its optimum."""
    model = LogisticRegression(solver="newton-cg", max_iter=10_000, tol=1e-10).fit(x, y)
    return model.predict_log_proba(queries)


def fits_of(x, y, fold):
    used = np.stack([np.ones(len(y), bool), *[fold != f for f in range(fold.max() + 1)]])
    gram = torch.from_numpy(x @ x.T)
    return gram, logistic_fits(gram, torch.from_numpy(y), int(y.max()) + 1, torch.from_numpy(used))


@pytest.mark.parametrize("counts", [(5, 5, 5), (8, 3), (1, 1, 1, 1), (2, 9, 4)])
def test_scikit_learn_has_the_same_optimum(counts):
    x, y = clips(counts)
    queries, _ = clips(counts, seed=1)
    _, fits = fits_of(x, y, np.full(len(y), -1))
    scores = queries @ x.T @ fits.coefficients_BNC[0].numpy() + fits.bias_BC[0].numpy()
    found = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    np.testing.assert_allclose(found, reference(x, y, queries), atol=1e-4)


@pytest.mark.parametrize("counts", [(4, 4, 4), (6, 3)])
def test_left_out_is_a_refit_without_the_fold(counts):
    x, y = clips(counts)
    fold = np.array([(y[:n] == c).sum() % 3 for n, c in enumerate(y)])
    gram, fits = fits_of(x, y, fold)
    scores = logistic_left_out(gram, fits, torch.from_numpy(fold)).numpy()
    found = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    for f in range(3):
        expected = reference(x[fold != f], y[fold != f], x[fold == f])
        np.testing.assert_allclose(found[fold == f], expected, atol=1e-4)


def test_clips_that_are_never_left_out_have_scores_of_the_full_fit():
    x, y = clips((3, 3))
    fold = np.where(y == 0, np.cumsum(y == 0) - 1, -1)
    gram, fits = fits_of(x, y, fold)
    scores = logistic_left_out(gram, fits, torch.from_numpy(fold))
    full = gram @ fits.coefficients_BNC[0] + fits.bias_BC[0]
    torch.testing.assert_close(scores[y == 1], full[y == 1])
    assert (scores[y == 0] - full[y == 0]).abs().max() > 1e-3


def test_copies_of_clips_and_zero_vectors():
    x, y = np.repeat(np.eye(2, FEATURES), 3, axis=0), np.repeat([0, 1], 3)
    for vectors in (x, np.zeros_like(x)):
        gram, fits = fits_of(vectors, y, np.array([0, 1, 2] * 2))
        assert torch.isfinite(fits.coefficients_BNC).all()
        assert torch.isfinite(logistic_left_out(gram, fits, torch.tensor([0, 1, 2] * 2))).all()


def test_it_runs_in_inference_mode():
    x, y = clips((3, 3))
    expected = fits_of(x, y, np.full(6, -1))[1]
    with torch.inference_mode():
        found = fits_of(x, y, np.full(6, -1))[1]
    torch.testing.assert_close(found.coefficients_BNC, expected.coefficients_BNC)
