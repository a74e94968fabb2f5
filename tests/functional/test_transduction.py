"""Transductive discriminant analysis against plain loops, and what it leaves alone."""

import numpy as np
import pytest
import torch

from calm_pl.functional.gda import FLOOR
from calm_pl.functional.transduction import (
    ANCHOR,
    MOST,
    STEPS,
    UNLABELLED,
    UNSURE,
    certainty,
    clip_coordinates,
    present_share,
    transductive_log_posteriors,
    trust,
)

RHOS, SHARES = (1.0, 5.0), (0.3, 0.7)


def made(seed, support=4, query=15, classes=3, dim=5, noise=1.0):
    rng = np.random.default_rng(seed)
    centres = 2 * rng.standard_normal((classes, dim))
    y = np.concatenate([np.repeat(np.arange(classes), support), rng.integers(0, classes, query)])
    x = centres[y] + noise * rng.standard_normal((len(y), dim))
    known = np.where(np.arange(len(y)) < classes * support, y, UNLABELLED)
    logits = rng.standard_normal((query, classes))
    return x, known, y, np.log(np.exp(logits) / np.exp(logits).sum(1, keepdims=True))


def loops(x, known, log_p):
    """The same by loops over clips and classes, from the formulas."""
    classes, n = log_p.shape[1], len(x)
    query = [i for i in range(n) if known[i] == UNLABELLED]
    support = [i for i in range(n) if known[i] != UNLABELLED]
    anchor = [np.mean([x[i] for i in support if known[i] == c], 0) for c in range(classes)]
    spread = np.sqrt(((log_p - log_p.mean(1, keepdims=True)) ** 2).mean())
    for _ in range(STEPS):
        r = np.zeros((n, classes))
        for i in support:
            r[i, known[i]] = 1
        for row, i in enumerate(query):
            r[i] = np.exp(log_p[row])
        means = []
        for c in range(classes):
            total = ANCHOR * anchor[c] + sum(r[i, c] * x[i] for i in range(n))
            means.append(total / (ANCHOR + r[:, c].sum()))
        scatter = sum(
            r[i, c] * np.outer(x[i] - means[c], x[i] - means[c]) for i in range(n) for c in range(classes)
        )
        scores = 0
        for rho, share in zip(RHOS, SHARES, strict=True):
            ridge = rho * (np.trace(scatter) + FLOOR * (x**2).sum()) / (n - 1)
            p = np.linalg.inv((scatter + ridge * np.eye(x.shape[1])) / n)
            s = np.array([[v @ p @ m - 0.5 * m @ p @ m for m in means] for v in x])
            s -= s.mean(1, keepdims=True)
            scores = scores + share * s / np.sqrt((s**2).mean())
        scores = scores[query]
        scores *= spread / np.sqrt((scores**2).mean())
        log_p = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    return log_p


@pytest.mark.parametrize("seed", range(3))
def test_it_is_what_the_formulas_say(seed):
    x, known, _, log_p = made(seed)
    found = transductive_log_posteriors(
        torch.from_numpy(x), torch.from_numpy(known), torch.from_numpy(log_p), RHOS, SHARES
    )
    np.testing.assert_allclose(found, loops(x, known, log_p), rtol=1e-6, atol=1e-8)


def test_coordinates_have_the_inner_products_and_only_these_matter():
    x, known, _, log_p = made(3, dim=40)
    gram = torch.from_numpy(x @ x.T)
    z = clip_coordinates(gram)
    torch.testing.assert_close(z @ z.T, gram)
    y, log_p = torch.from_numpy(known), torch.from_numpy(log_p)
    torch.testing.assert_close(
        transductive_log_posteriors(z, y, log_p, RHOS, SHARES),
        transductive_log_posteriors(torch.from_numpy(x), y, log_p, RHOS, SHARES),
    )
    assert clip_coordinates(torch.ones(4, 4)).shape == (4, 1)


def test_clusters_of_the_query_correct_a_support_beside_them():
    rng = np.random.default_rng(0)
    truth = np.arange(60) % 2
    query = np.stack([3.0 * truth, np.zeros(60)], 1) + 0.3 * rng.standard_normal((60, 2))
    support = np.array([[-1.5, 0.0], [1.5, 0.0]])  # both classes beside their clusters
    x, known = np.concatenate([support, query]), np.array([0, 1] + [UNLABELLED] * 60)
    distance = np.square(query[:, None] - support).sum(-1)
    log_p = torch.log_softmax(torch.from_numpy(-0.5 * distance), -1)
    before = (log_p.argmax(1).numpy() == truth).mean()
    found = transductive_log_posteriors(torch.from_numpy(x), torch.from_numpy(known), log_p, (10.0,), (1.0,))
    assert before < 1
    assert (found.argmax(1).numpy() == truth).mean() == 1


def test_candidates_stay_impossible():
    x, known, _, log_p = made(4)
    log_p = torch.from_numpy(log_p)
    log_p[::2, 1] = -torch.inf
    found = transductive_log_posteriors(
        torch.from_numpy(x), torch.from_numpy(known), torch.log_softmax(log_p, 1), RHOS, SHARES
    )
    assert found[::2, 1].isneginf().all()
    torch.testing.assert_close(found.exp().sum(1), torch.ones(len(found), dtype=torch.float64))


def test_uneven_and_unclear_queries_get_no_trust():
    even = torch.log(torch.full((9, 3), 0.01) + torch.eye(3).repeat(3, 1) * 0.97)
    assert present_share(even) == pytest.approx(1)
    assert trust(even) == MOST
    two = even[[0, 1, 0, 1]]
    assert present_share(two) < 0.75
    assert trust(two) < 0.1
    assert trust(even[[0]]) == 0
    unclear = torch.log_softmax(0.3 * even, 1)
    assert present_share(unclear) == pytest.approx(1)
    assert certainty(unclear) < UNSURE
    assert trust(unclear) == 0
    assert 0 < trust(torch.log_softmax(0.45 * even, 1)) < MOST
    assert trust(torch.log_softmax(even[:2, :2], 1)) == 0  # detection: one of two is usually rare


def test_certainty_by_hand():
    assert certainty(torch.log(torch.tensor([[0.5, 0.5], [0.5, 0.5]]))) == pytest.approx(0, abs=1e-6)
    assert certainty(torch.tensor([[0.0, -torch.inf], [-torch.inf, 0.0]])) == 1
    half = torch.tensor([[0.5, 0.5, 0.0, 0.0]]).log()
    assert certainty(half) == pytest.approx(0.5)
