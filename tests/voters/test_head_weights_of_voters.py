import numpy as np
import pytest
import torch
from head_vectors import noisy_clips
from hypothesis import given, settings
from hypothesis import strategies as st

from calm_pl.functional import head_scores, posteriors
from calm_pl.voters import Calm, CalmAuto, CalmGlobal, Gda, Sav

each_voter = pytest.mark.parametrize("voter", [CalmGlobal, Calm])
each_map = pytest.mark.parametrize("weight_map", ["softmax", "power"])


@each_voter
@each_map
@settings(deadline=None, derandomize=True, max_examples=30)
@given(
    seed=st.integers(0, 10_000),
    top_k=st.one_of(st.none(), st.integers(1, 8)),
    tau_p=st.sampled_from([0.001, 0.03, 1.0]),
    tau_w=st.sampled_from([0.001, 0.5, 2.0]),
    kind=st.sampled_from(["margin_clamped", "margin", "prob", "brier"]),
)
def test_each_row_sums_to_one_over_at_most_k_heads(voter, weight_map, seed, top_k, tau_p, tau_w, kind):
    fitted = voter(tau_p, tau_w, top_k, reliability=kind, weight_map=weight_map).fit(
        *noisy_clips(seed, (3, 2, 4), noise=1.5)
    )
    rows = torch.atleast_2d(fitted.weights_)
    torch.testing.assert_close(rows.sum(-1), torch.ones(len(rows)), rtol=0, atol=1e-6)
    assert int((rows != 0).sum(-1).max()) <= (top_k or 6)
    # Zero exactly where a head is less reliable than k others.
    for row, r in zip(rows.tolist(), torch.atleast_2d(fitted.reliability_).tolist(), strict=True):
        for h in range(6):
            if sum(other > r[h] for other in r) >= (top_k or 6):
                assert row[h] == 0.0


@each_voter
@each_map
def test_all_heads_at_a_large_temperature_are_the_plain_mean_of_posteriors(voter, weight_map):
    x, y = noisy_clips(0, (4, 3, 5), noise=0.3)
    fitted = voter(0.1, 1e9, top_k=None, weight_map=weight_map).fit(x, y)
    mean = posteriors(head_scores(torch.from_numpy(x), fitted.centroids_), 0.1).mean(1)
    np.testing.assert_allclose(fitted.decision_function(x), mean, atol=1e-6)


def clips_with_a_hopeless_class():
    """In all 4 heads class 0 is east and west, mean zero; class 1 is east, class 2 west.

    So each clip of class 0 has cosine 0 with its own class and 1 with another: no margin in any head.
    """
    east, west = [1.0, 0.0], [-1.0, 0.0]
    x = torch.tensor([east, west, east, west, east, east, west, west])
    return x[:, None].repeat(1, 4, 1), [0, 0, 0, 0, 1, 1, 2, 2]


@each_map
@pytest.mark.parametrize("tau_w", [0.001, 0.5])
@pytest.mark.parametrize(("top_k", "expected"), [(None, [0.25] * 4), (2, [0.5, 0.5, 0.0, 0.0])])
def test_a_class_that_no_head_knows_has_uniform_weights(weight_map, tau_w, top_k, expected):
    voter = Calm(0.03, tau_w, top_k, weight_map=weight_map).fit(*clips_with_a_hopeless_class())
    assert voter.reliability_[0].tolist() == [0.0] * 4
    assert voter.weights_[0].tolist() == expected
    assert bool((voter.reliability_[1:] > 0.9).all())


@each_map
@each_voter
def test_no_head_that_knows_anything_leaves_the_plain_mean(voter, weight_map):
    # Both classes hold the same clips: every margin is 0.
    x, _ = noisy_clips(3, (4,))
    fitted = voter(weight_map=weight_map).fit(np.concatenate([x, x]), [0] * 4 + [1] * 4)
    np.testing.assert_array_equal(fitted.reliability_, torch.zeros_like(fitted.reliability_))
    np.testing.assert_allclose(fitted.weights_, torch.full_like(fitted.weights_, 1 / 6), rtol=1e-6)
    np.testing.assert_allclose(fitted.predict_proba(x), 0.5, atol=1e-6)


@each_voter
def test_saturated_margins_keep_the_heads_of_lowest_index(voter):
    # At τ_p = 0.001 clips this close to their class have posteriors of exactly 1 in every head.
    x, y = noisy_clips(4, (3, 3, 3), heads=40, dim=16, noise=0.02)
    fitted = voter(0.001, top_k=7).fit(x, y)
    assert bool((fitted.reliability_ == 1.0).all())
    expected = torch.cat([torch.full((7,), 1 / 7), torch.zeros(33)]).expand_as(fitted.weights_)
    torch.testing.assert_close(fitted.weights_, expected, rtol=1e-6, atol=0)


@each_voter
def test_power_at_a_tiny_temperature_stays_finite(voter):
    x, y = noisy_clips(5, (3, 3, 3))
    fitted = voter(0.1, 0.001, weight_map="power").fit(x, y)
    rows = torch.atleast_2d(fitted.weights_)
    torch.testing.assert_close(rows.sum(-1), torch.ones(len(rows)), rtol=0, atol=1e-6)
    assert rows.argmax(-1).tolist() == torch.atleast_2d(fitted.reliability_).argmax(-1).tolist()


def test_power_at_one_half_squares_reliabilities():
    fitted = CalmGlobal(0.1, 0.5, weight_map="power").fit(*noisy_clips(6, (3, 3, 3)))
    squares = fitted.reliability_.double().square()
    np.testing.assert_allclose(fitted.weights_, squares / squares.sum(), rtol=1e-5)


@pytest.mark.parametrize("voter", [Sav(top_k=2), CalmGlobal(0.1, top_k=2), Calm(0.1, top_k=2)], ids=repr)
@pytest.mark.parametrize("seed", range(3))
def test_heads_after_the_last_that_is_read_may_be_anything(voter, seed):
    x, y = noisy_clips(seed, (4, 3, 5))
    voter.fit(x, y)
    read = voter.num_read
    heads = np.atleast_2d(voter.weights_).any(0)
    assert heads[read - 1]
    assert not heads[read:].any()
    expected, other = voter.decision_function(x), x.copy()
    other[:, read:] = 0
    np.testing.assert_array_equal(voter.decision_function(other), expected)


def test_a_discriminant_reads_all_heads():
    x, y = noisy_clips(0, (4, 3, 5))
    assert Gda().fit(x, y).num_read == CalmAuto().fit(x, y).num_read == x.shape[1]
