import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from calm_pl.functional import posteriors


def test_posterior_by_hand():
    # s/τ_p = (ln 3, 0): e^(ln 3) : e^0 = 3 : 1.
    scores = torch.tensor([[[0.5 * math.log(3), 0.0]]])
    torch.testing.assert_close(posteriors(scores, 0.5), torch.tensor([[[0.75, 0.25]]]))


def test_softmax_is_over_classes_not_over_heads_or_clips():
    p = posteriors(torch.randn(4, 3, 2, generator=torch.Generator().manual_seed(0)), 0.03)
    torch.testing.assert_close(p.sum(-1), torch.ones(4, 3))
    assert not torch.allclose(p.sum(1), torch.ones(4, 2))


@settings(deadline=None, derandomize=True, max_examples=30)
@given(
    scores=st.lists(st.floats(-1, 1, width=32), min_size=2, max_size=6),
    tau_p=st.sampled_from([0.001, 0.03, 0.1, 1.0, 2.0]),
)
def test_matches_the_formula_in_plain_python(scores, tau_p):
    powers = [math.exp((s - max(scores)) / tau_p) for s in scores]
    expected = [power / sum(powers) for power in powers]
    found = posteriors(torch.tensor([[scores]]), tau_p)[0, 0].tolist()
    # One float32 step of s near 1 is 6e-8, and 6e-5 of a logit at τ_p = 0.001.
    assert found == pytest.approx(expected, rel=1e-6 + 2e-7 / tau_p, abs=1e-37)


def test_large_dot_products_do_not_overflow():
    p = posteriors(torch.tensor([[[5e4, -5e4, 5e4]]]), 0.001)
    assert p.tolist() == [[[0.5, 0.0, 0.5]]]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_posteriors_are_float32_and_computed_in_it(dtype):
    # In fp16 0.9/0.001 moves in steps of half a logit.
    scores = torch.tensor([[[0.9, 0.8995, 0.2]]], dtype=dtype)
    found = posteriors(scores, 0.001)
    assert found.dtype == torch.float32
    assert torch.equal(found, posteriors(scores.float(), 0.001))
