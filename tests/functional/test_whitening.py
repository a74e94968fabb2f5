import numpy as np
import pytest
import torch
from slow_whitening import slow_cosines

from calm_pl.functional import (
    apply_whitening,
    class_sums,
    head_scores,
    scatter_sums,
    whitened_cosines,
    whitening,
    without,
)

HEADS, DIM = 3, 5
COUNTS = [(3, 4, 2), (2, 2, 2), (1, 2, 3), (2, 1, 1), (9, 8, 7)]
SHRINKS = [0.05, 0.3, 1.0]


def clips(counts, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    x = rng.standard_normal((len(y), HEADS, DIM)) * np.linspace(0.2, 3, DIM)
    return x + 2 * rng.standard_normal((len(counts), HEADS, DIM))[y], y


def fitted(x, y, num_classes):
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    sums, counts = class_sums(x, y, num_classes)
    centroids = sums / counts[:, None, None]
    return scatter_sums(x, y, centroids), centroids, counts


@pytest.mark.parametrize("shrink", SHRINKS)
@pytest.mark.parametrize("counts", COUNTS)
def test_whitened_cosines(counts, shrink):
    x, y = clips(counts)
    queries, _ = clips((2, 2), seed=1)
    scatter, centroids, _ = fitted(x, y, len(counts))
    matrices = whitening(scatter, shrink)
    found = head_scores(
        apply_whitening(torch.from_numpy(queries), matrices), apply_whitening(centroids, matrices)
    )
    for n, h in np.ndindex(len(queries), HEADS):
        expected = slow_cosines(x[:, h], y, len(counts), queries[n, h], shrink)
        np.testing.assert_allclose(found[n, h], expected, atol=2e-6)


@pytest.mark.parametrize(("shrink", "tolerance"), [(0.001, 1e-7), (0.13, 1e-5), (0.3, 2e-6), (1.0, 2e-6)])
@pytest.mark.parametrize("size", [1e-14, 1, 1e14])
@pytest.mark.parametrize("dim", [3, 64, 130])
def test_whitened_cosines_are_those_of_whitened_vectors(dim, size, shrink, tolerance):
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(3), 30)
    x = rng.standard_normal((90, 2, dim)) * np.linspace(0.05, 3, dim) + rng.standard_normal((3, 2, dim))[y]
    sums, centroids, _ = fitted(size * x, y, 3)
    found = whitened_cosines(torch.from_numpy(size * x[:7]), centroids, sums, shrink)
    for n, h in np.ndindex(7, 2):
        expected = slow_cosines(x[:, h], y, 3, x[n, h], shrink)
        np.testing.assert_allclose(found[n, h], expected, rtol=0, atol=tolerance)


def test_whitened_cosines_with_nothing_to_say():
    x = torch.zeros(2, HEADS, DIM, dtype=torch.float64)
    sums, centroids, _ = fitted(np.ones((4, HEADS, DIM)), np.array([0, 0, 1, 1]), 2)
    assert torch.equal(whitened_cosines(x, centroids, sums, 0.3), torch.zeros(2, HEADS, 2))
    assert whitened_cosines(x[:0], centroids, sums, 0.3).shape == (0, HEADS, 2)


@pytest.mark.parametrize("counts", [(3, 4, 2), (2, 2, 2), (9, 8, 7)])
def test_sums_without_some_clips_are_those_of_the_others(counts):
    x, y = (torch.from_numpy(part) for part in clips(counts))
    sums, centroids, counts_C = fitted(x.numpy(), y.numpy(), len(counts))
    gone = torch.zeros(len(y), dtype=torch.bool)
    for c in range(len(counts) - 1):  # of the last class none leaves
        gone[(y == c).nonzero()[: counts[c] // 2, 0]] = True
    gone_CHD, gone_C = class_sums(x[gone] - centroids[y[gone]], y[gone], len(counts))
    found = without(sums, scatter_sums(x[gone], y[gone], centroids), gone_CHD, counts_C - gone_C)
    expected, _, _ = fitted(x[~gone].numpy(), y[~gone].numpy(), len(counts))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


def test_little_shrinkage_makes_the_scatter_round():
    x, y = clips((40, 40))
    scatter, centroids, _ = fitted(x, y, 2)
    z = apply_whitening(torch.from_numpy(x) - centroids[y], whitening(scatter, 1e-6))
    round_HDD = torch.einsum("nhd,nhe->hde", z, z)
    scale_H = round_HDD.diagonal(dim1=1, dim2=2).mean(-1)
    identity = torch.eye(DIM, dtype=torch.float64).expand(HEADS, -1, -1)
    torch.testing.assert_close(round_HDD / scale_H[:, None, None], identity, rtol=0, atol=1e-4)


@pytest.mark.parametrize("counts", [(3, 4), (1, 1)])
def test_full_shrinkage_or_no_scatter_leaves_plain_cosines(counts):
    x, y = clips(counts)
    scatter, centroids, _ = fitted(x, y, 2)
    matrices = whitening(scatter, 1.0 if counts != (1, 1) else 0.3)
    found = head_scores(apply_whitening(torch.from_numpy(x), matrices), apply_whitening(centroids, matrices))
    torch.testing.assert_close(found, head_scores(torch.from_numpy(x), centroids), rtol=0, atol=1e-5)


def test_sums_of_two_halves_are_the_sums_of_all():
    x, y = (torch.from_numpy(part) for part in clips((4, 5)))
    _, centroids, _ = fitted(x.numpy(), y.numpy(), 2)
    whole = scatter_sums(x, y, centroids)
    halves = [scatter_sums(x[part], y[part], centroids) for part in (slice(0, 4), slice(4, 9))]
    for total, one, other in zip(whole, *halves, strict=True):
        torch.testing.assert_close(one + other, total)


def test_zero_vectors_are_not_moved():
    x, y = np.zeros((4, HEADS, DIM)), np.array([0, 0, 1, 1])
    sums, _, _ = fitted(x, y, 2)
    torch.testing.assert_close(whitening(sums, 0.3), torch.eye(DIM).expand(HEADS, -1, -1))


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_size_of_vectors_does_not_matter(scale):
    x, y = clips((4, 5))
    expected, found = (whitening(fitted(factor * x, y, 2)[0], 0.3) for factor in (1, scale))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
