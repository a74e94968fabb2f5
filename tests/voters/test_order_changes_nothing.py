import numpy as np
import pytest
from head_vectors import noisy_clips
from hypothesis import given, settings
from hypothesis import strategies as st

from calm_pl.voters import Calm, CalmGlobal, Sav

examples = settings(deadline=None, derandomize=True, max_examples=25)
seeds = st.integers(0, 10_000)

# `prob` has no ties between heads, which would rightly go by head index.
VOTERS = [
    Sav(top_k=None),
    CalmGlobal(0.1, top_k=3, reliability="prob"),
    Calm(0.1, top_k=3, reliability="prob"),
    CalmGlobal(0.1),
    Calm(0.1, weight_map="power"),
    Calm(0.1, shrinkage=1.0, reliability_split="loo"),
]
each_voter = pytest.mark.parametrize("voter", VOTERS, ids=repr)


def near(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=2e-6)


@each_voter
@examples
@given(seed=seeds)
def test_order_of_support_clips(voter, seed):
    x, y = noisy_clips(seed, (4, 3, 5))
    queries, _ = noisy_clips(seed + 1, (3, 3, 3))
    order = np.random.default_rng(seed).permutation(len(x))
    voter.fit(x, y)
    expected = voter.reliability_, voter.weights_, voter.decision_function(queries)
    winners = voter.predict(queries)
    voter.fit(x[order], y[order])
    found = voter.reliability_, voter.weights_, voter.decision_function(queries)
    for one, other in zip(found, expected, strict=True):
        near(one, other)
    assert voter.predict(queries).tolist() == winners.tolist()


@each_voter
@examples
@given(seed=seeds)
def test_order_of_heads(voter, seed):
    x, y = noisy_clips(seed, (4, 3, 5))
    queries, _ = noisy_clips(seed + 1, (3, 3, 3))
    order = np.random.default_rng(seed).permutation(x.shape[1])
    voter.fit(x, y)
    reliability, weights = voter.reliability_[..., order], voter.weights_[..., order]
    scores = voter.decision_function(queries)
    voter.fit(x[:, order], y)
    near(voter.reliability_, reliability)
    near(voter.weights_, weights)
    near(voter.decision_function(queries[:, order]), scores)


@each_voter
@examples
@given(seed=seeds)
def test_order_of_queries(voter, seed):
    queries, _ = noisy_clips(seed + 1, (3, 3, 3))
    order = np.random.default_rng(seed).permutation(len(queries))
    voter.fit(*noisy_clips(seed, (4, 3, 5)))
    near(voter.decision_function(queries[order]), voter.decision_function(queries)[order])
    assert voter.predict(queries[order]).tolist() == voter.predict(queries)[order].tolist()


@each_voter
@examples
@given(seed=seeds)
def test_order_of_dimensions(voter, seed):
    x, y = noisy_clips(seed, (4, 3, 5))
    queries, _ = noisy_clips(seed + 1, (3, 3, 3))
    expected = voter.fit(x, y).decision_function(queries)
    near(voter.fit(x[..., ::-1].copy(), y).decision_function(queries[..., ::-1].copy()), expected)


@each_voter
@examples
@given(seed=seeds)
def test_order_of_classes(voter, seed):
    # Class c is renamed to names[c]: the columns move along, nothing else changes.
    x, y = noisy_clips(seed, (4, 3, 5))
    queries, _ = noisy_clips(seed + 1, (3, 3, 3))
    names = np.random.default_rng(seed).permutation(3)
    expected = voter.fit(x, y).decision_function(queries)
    found = voter.fit(x, names[y]).decision_function(queries)[:, names]
    near(found, expected)


@each_voter
@pytest.mark.parametrize("batch", [1, 5, 16])
def test_batches_change_not_a_bit(voter, batch):
    # The ones a real model gives: many heads, more classes than two.
    x, y = noisy_clips(0, (4,) * 10, heads=64, dim=16, dtype=np.float32)
    voter.fit(x, y)
    parts = [voter.decision_function(x[start : start + batch]) for start in range(0, len(x), batch)]
    np.testing.assert_array_equal(np.concatenate(parts), voter.decision_function(x))


@pytest.mark.parametrize("classes", [3, 10])
@pytest.mark.parametrize("voter", [CalmGlobal(), Calm()], ids=repr)
def test_equal_scores_go_to_the_lower_class_in_every_batch(voter, classes):
    # Twin classes: the same clips under several labels.
    clips, _ = noisy_clips(0, (6,), heads=33, dim=8)
    queries, _ = noisy_clips(1, (17,), heads=33, dim=8)
    voter.fit(np.concatenate([clips] * classes), np.repeat(np.arange(classes), len(clips)))
    for batch in (1, 5, 17):
        assert set(voter.predict(queries[:batch]).tolist()) == {0}


@pytest.mark.parametrize(
    "voter", [Sav(), CalmGlobal(0.1), Calm(0.1), Calm(0.1, reliability_split="loo")], ids=repr
)
@examples
@given(seed=seeds, scales=st.lists(st.floats(1e-6, 1e6), min_size=6, max_size=6))
def test_scaling_the_vectors_of_a_head_under_cosine(voter, seed, scales):
    x, y = noisy_clips(seed, (4, 3, 5))
    queries, _ = noisy_clips(seed + 1, (3, 3, 3))
    scale = np.array(scales)[:, None]
    expected = voter.fit(x, y).decision_function(queries)
    near(voter.decision_function(queries * scale), expected)
    near(voter.fit(x * scale, y).decision_function(queries), expected)


def test_scaling_matters_to_the_dot_product():
    x, y = noisy_clips(0, (4, 3, 5))
    voter = CalmGlobal(0.1, score="dot")
    before = voter.fit(x, y).decision_function(x)
    assert np.abs(voter.fit(2 * x, y).decision_function(2 * x) - before).max() > 0.01
