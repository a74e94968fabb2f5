"""Discriminants of single heads against plain loops."""

import numpy as np
import pytest
import torch
from head_vectors import noisy_clips
from test_calm_auto import same_classes

from calm_pl.functional.whitening import FLOOR
from calm_pl.voters import HeadGda, gather_support
from calm_pl.voters.gram import clip_places, folded_clips


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def log_densities(x, y, query, num_classes):
    """Scores of one vector of one head, from the formula; x (N, D)."""
    means = [x[y == c].mean(0) for c in range(num_classes)]
    scatter = np.zeros((x.shape[1], x.shape[1]))
    for n in range(len(x)):
        z = x[n] - means[y[n]]
        scatter += np.outer(z, z)
    ridge = (np.trace(scatter) + FLOOR * (x**2).sum()) / (len(x) - 1)
    covariance = (scatter + ridge * np.eye(x.shape[1])) / (len(x) - num_classes)
    precision = np.linalg.inv(covariance)
    return np.array([query @ precision @ m - 0.5 * m @ precision @ m for m in means])


def left_out_by_loops(x, y, num_classes):
    """Scores of each clip by each head, (N, H, C), from fits without its fold."""
    support = gather_support(x, y)
    fold = folded_clips(support, clip_places(support)).fold_N.numpy()
    u = unit(x)
    return np.array(
        [
            [
                log_densities(u[fold != fold[n], h], y[fold != fold[n]], u[n, h], num_classes)
                for h in range(x.shape[1])
            ]
            for n in range(len(x))
        ]
    )


def log_softmax(s):
    s = s - s.max(-1, keepdims=True)
    return s - np.log(np.exp(s).sum(-1, keepdims=True))


@pytest.mark.parametrize("top_k", [1, 3, None])
def test_heads_are_ranked_by_held_out_clips_and_their_densities_added(top_k):
    x, y, queries, _ = same_classes(0, (5, 4, 6), 4, noise=1.0, junk=2)
    voter = HeadGda(top_k).fit(x, y)
    own = np.exp(log_softmax(left_out_by_loops(x, y, 3)))[np.arange(len(y)), :, y]
    np.testing.assert_allclose(voter.reliability_, own.mean(0), rtol=1e-5)
    kept = np.argsort(-own.mean(0), kind="stable")[:top_k]
    assert voter.heads_.tolist() == kept.tolist()
    expected = np.array(
        [sum(log_densities(unit(x)[:, h], y, unit(query)[h], 3) for h in kept) for query in queries]
    )
    found = voter.decision_function(queries).astype(float)
    found, expected = (s - s.mean(1, keepdims=True) for s in (found, expected))
    gain = np.vdot(found, expected) / np.vdot(expected, expected)
    np.testing.assert_allclose(found, gain * expected, rtol=1e-4, atol=1e-4)
    assert gain > 0


def test_heads_that_know_nothing_are_last():
    x, y, *_ = same_classes(1, (8, 8, 8), 1, noise=0.3, junk=4)
    assert set(HeadGda(6).fit(x, y).heads_.tolist()) == set(range(6))


def test_held_out_probabilities_are_those_of_the_ensemble():
    x, y, *_ = same_classes(2, (5, 4, 6), 1, noise=1.2, junk=1)
    voter = HeadGda(3).fit(x, y)
    total = left_out_by_loops(x, y, 3)[:, voter.heads_.tolist()].sum(1)
    plain = unit(x)[:, voter.heads_.tolist()]
    full = [
        sum(log_densities(plain[:, k], y, plain[n, k], 3) for k in range(plain.shape[1]))
        for n in range(len(x))
    ]
    gain = np.ptp(voter.decision_function(x)[0]) / np.ptp(full[0])
    own = np.exp(log_softmax(gain * total))[np.arange(len(y)), y]
    np.testing.assert_allclose(voter.left_out_p_, np.sort(own), rtol=1e-3, atol=1e-6)


def test_blocks_of_heads_change_nothing(monkeypatch):
    x, y, queries, _ = same_classes(3, (5, 4, 6), 5, noise=1.0, heads=9)
    whole = HeadGda(5).fit(x, y)
    monkeypatch.setattr("calm_pl.voters.head_gda.MAX_BLOCK", 1)
    single = HeadGda(5).fit(x, y)
    torch.testing.assert_close(single.discriminant_, whole.discriminant_)
    np.testing.assert_allclose(single.decision_function(queries), whole.decision_function(queries), rtol=1e-6)


def test_with_one_clip_a_class_all_heads_are_kept():
    x, y = noisy_clips(0, (1, 1, 1))
    voter = HeadGda(2).fit(x, y)
    assert voter.heads_.tolist() == list(range(x.shape[1]))
    distance = np.square(unit(x)[None] - unit(x)[:, None]).sum((-1, -2))
    assert voter.predict(x).tolist() == y[distance.argmin(1)].tolist()


def test_held_out_clips_of_ones_own_are_refused():
    x, y = noisy_clips(0, (3, 3))
    with pytest.raises(ValueError, match="no `heldout`"):
        HeadGda().fit(x, y, heldout=(x, y))


def test_a_state_that_weights_a_head_that_is_not_kept_is_refused():
    x, y, *_ = same_classes(4, (4, 4), 1, noise=1.0)
    voter = HeadGda(2).fit(x, y)
    state = {name: value.clone() for name, value in voter.fitted_state().items()}
    state["discriminant"][0, next(h for h in range(6) if h not in voter.heads_.tolist()), 0] = 1
    with pytest.raises(ValueError, match="must be 0 for heads that are not in `heads`"):
        HeadGda(2).load_fitted_state([0, 1], voter.centroids_, state)
