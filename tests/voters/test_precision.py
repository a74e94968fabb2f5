import math

import numpy as np
import pytest
import torch
from head_vectors import noisy_clips

from calm_pl.voters import Calm, CalmGlobal, Sav

VOTERS = [
    Sav(top_k=4),
    Sav(top_k=4, score="dot"),
    CalmGlobal(top_k=4),
    Calm(0.001, top_k=4, weight_map="power"),
    Calm(score="dot", reliability="brier"),
    Calm(reliability_split="loo", shrinkage=1.0),
]
each_voter = pytest.mark.parametrize("voter", VOTERS, ids=repr)
each_dtype = pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)


@each_voter
@each_dtype
def test_16_bit_vectors_are_as_good_as_upcast_first(voter, dtype):
    x, y = noisy_clips(0, (6, 5, 7))
    x = torch.from_numpy(x).to(dtype)
    voter.fit(x, y)
    found = voter.centroids_, voter.reliability_, voter.weights_, voter.decision_function(x)
    voter.fit(x.float(), y)
    expected = voter.centroids_, voter.reliability_, voter.weights_, voter.decision_function(x.float())
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == torch.float32
        assert torch.equal(one, other)


@each_dtype
def test_16_bit_held_out_vectors_are_upcast_too(dtype):
    x, y = noisy_clips(1, (6, 5, 7))
    held_x, held_y = noisy_clips(2, (3, 3, 3))
    held_x = torch.from_numpy(held_x).to(dtype)
    voter = Calm(reliability_split="heldout")
    found = voter.fit(x, y, heldout=(held_x, held_y)).reliability_
    assert torch.equal(found, voter.fit(x, y, heldout=(held_x.float(), held_y)).reliability_)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_numpy_vectors_of_any_float_give_float32(dtype):
    x, y = noisy_clips(3, (3, 3))
    voter = Calm().fit(x.astype(dtype), y)
    for result in (voter.decision_function(x.astype(dtype)), voter.predict_proba(x.astype(dtype))):
        assert result.dtype == np.float32


def test_inputs_are_left_as_they_were():
    x, y = noisy_clips(4, (3, 3))
    vectors, labels = x.copy(), y.copy()
    Calm(reliability_split="loo").fit(x, y).predict_proba(x)
    np.testing.assert_array_equal(x, vectors)
    np.testing.assert_array_equal(y, labels)


@pytest.mark.parametrize("gap", [0.05, 0.085, 0.09, 0.095, 0.1, 0.15])
def test_probabilities_sum_to_one_where_every_posterior_is_tiny(gap):
    # Class a listens to head 0 only, class b to head 1 only, and the query is the other class in each:
    # both scores are e^(-gap/0.001), 1e-39 and less.
    east, north = [1.0, 0.0], [0.0, 1.0]
    heldout = torch.tensor([[east, north], [east, north]])
    voter = Calm(tau_p=0.001, top_k=1, reliability_split="heldout").fit(
        torch.tensor([[east, east], [north, north]]), ["a", "b"], heldout=(heldout, ["a", "b"])
    )
    assert voter.weights_.tolist() == [[1.0, 0.0], [0.0, 1.0]]
    # At 45° plus and minus δ the cosines with east and north differ by √2·sin δ.
    delta = math.asin(gap / math.sqrt(2))
    angles = (math.pi / 4 + delta, math.pi / 4 - delta)
    query = torch.tensor([[[math.cos(angle), math.sin(angle)] for angle in angles]])
    torch.testing.assert_close(voter.predict_proba(query).sum(-1), torch.ones(1), rtol=0, atol=1e-6)
