"""GDA on support and query together: over ranks, and what it leaves alone."""

import numpy as np
import torch
from test_calm_auto import same_classes
from test_sums_over_ranks import Ranks

from calm_pl.evaluation.transductive import together
from calm_pl.voters import Gda, gather_support

X, Y, QUERIES, TRUTH = same_classes(0, (4, 4, 4), 20, noise=0.9)


def answers(x_support, y_support, queries):
    fitted = Gda().fit(x_support, y_support)
    log_p = fitted.vote(queries).scores_NC
    return log_p, together(gather_support(x_support, y_support), torch.from_numpy(queries), log_p)


def test_an_even_query_is_answered_together_and_an_uneven_one_alone():
    log_p, found = answers(X, Y, QUERIES)
    assert not torch.allclose(found, log_p, atol=1e-3)
    torch.testing.assert_close(found.exp().sum(1), torch.ones(len(found)))
    assert (found.argmax(1).numpy() == TRUTH).mean() >= (log_p.argmax(1).numpy() == TRUTH).mean()
    log_p, found = answers(X, Y, QUERIES[TRUTH == 1])
    assert torch.equal(found, log_p)


def test_ranks_answer_as_one():
    log_p, expected = answers(X, Y, QUERIES)
    order = np.random.default_rng(1).permutation(len(QUERIES))
    shares = (order[:7], order[7:7], order[7:])
    supports = (slice(0, 5), slice(5, 12), slice(12, 12))
    ranks = Ranks(3)

    def one(rank, all_reduce):
        rows = supports[rank]
        support = gather_support(X[rows], Y[rows], (0, 1, 2), all_reduce, rank, 3)
        own = shares[rank]
        return together(support, torch.from_numpy(QUERIES[own]), log_p[own])

    for own, found in zip(shares, ranks.run(one), strict=True):
        torch.testing.assert_close(found, expected[own], rtol=1e-4, atol=1e-5)


def test_one_clip_a_class():
    _, found = answers(X[:12:4], Y[:12:4], QUERIES)
    assert torch.isfinite(found).all()
