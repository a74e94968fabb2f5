import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from calm_pl.functional import head_weights, top_heads

reliabilities = st.lists(
    st.lists(st.floats(0, 1, width=32), min_size=5, max_size=5), min_size=1, max_size=4
).map(torch.tensor)


def test_softmax_by_hand():
    # r/τ_w = (ln 3, 0): 3 : 1.
    found = head_weights(torch.tensor([[0.5 * math.log(3), 0.0]]), tau_w=0.5)
    torch.testing.assert_close(found, torch.tensor([[0.75, 0.25]]))


def test_power_by_hand():
    # τ_w = 0.5 means squares: 0.36 : 0.09 = 4 : 1.
    found = head_weights(torch.tensor([[0.6, 0.3]]), tau_w=0.5, weight_map="power")
    torch.testing.assert_close(found, torch.tensor([[0.8, 0.2]]))


def test_only_the_kept_heads_share_the_weight():
    # The two best of (0.6, 0.1, 0.3), squared.
    found = head_weights(torch.tensor([[0.6, 0.1, 0.3]]), top_k=2, tau_w=0.5, weight_map="power")
    torch.testing.assert_close(found, torch.tensor([[0.8, 0.0, 0.2]]))
    assert found[0, 1].item() == 0.0


def test_each_row_keeps_its_own_heads():
    r = torch.tensor([[0.9, 0.1, 0.2], [0.1, 0.2, 0.9]])
    assert head_weights(r, top_k=1).tolist() == [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]


def test_top_heads_come_best_first():
    assert top_heads(torch.tensor([[0.1, 0.9, 0.5, 0.7]]), 3).tolist() == [[1, 3, 2]]


def test_equal_heads_are_taken_in_index_order():
    assert top_heads(torch.tensor([[0.5, 1.0, 0.5, 1.0, 1.0, 0.5]]), 4).tolist() == [[1, 3, 4, 0]]


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_thousand_equal_heads_keep_the_lowest_indices(value):
    # An unstable sort holds the order of short rows only.
    r = torch.full((3, 1024), value)
    assert top_heads(r, 100).tolist() == [list(range(100))] * 3


@pytest.mark.parametrize("top_k", [None, 3, 4, 1000])
def test_no_bound_or_a_bound_above_the_number_of_heads_keeps_all(top_k):
    assert top_heads(torch.tensor([[0.1, 0.3, 0.2]]), top_k).tolist() == [[1, 2, 0]]


@pytest.mark.parametrize("weight_map", ["softmax", "power"])
@settings(deadline=None, derandomize=True, max_examples=50)
@given(
    r=reliabilities,
    top_k=st.one_of(st.none(), st.integers(1, 7)),
    tau_w=st.sampled_from([0.001, 0.03, 0.1, 0.5, 1.0, 2.0, 1e6]),
)
def test_rows_sum_to_one_and_only_the_best_heads_weigh_anything(weight_map, r, top_k, tau_w):
    w = head_weights(r, top_k, tau_w, weight_map)
    assert w.dtype == torch.float32
    assert bool(torch.isfinite(w).all())
    assert bool((w >= 0).all())
    torch.testing.assert_close(w.sum(-1), torch.ones(len(r)), rtol=0, atol=1e-6)
    kept = top_heads(r, top_k)
    outside = torch.ones_like(w).scatter(-1, kept, 0.0)
    assert bool((w * outside == 0).all())
    assert int((w > 0).sum(-1).max()) <= min(top_k or 5, 5)


@pytest.mark.parametrize("weight_map", ["softmax", "power"])
@settings(deadline=None, derandomize=True, max_examples=50)
@given(
    r=reliabilities,
    top_k=st.one_of(st.none(), st.integers(1, 5)),
    tau_w=st.sampled_from([0.03, 0.1, 0.5, 1.0, 2.0]),
)
def test_matches_a_loop_over_rows(weight_map, r, top_k, tau_w):
    found = head_weights(r, top_k, tau_w, weight_map).tolist()
    for row, weights in zip(r.tolist(), found, strict=True):
        kept = sorted(range(5), key=lambda h: (-row[h], h))[: top_k or 5]
        best = max(row)
        if weight_map == "softmax":
            raw = {h: math.exp((row[h] - best) / tau_w) for h in kept}
        elif best == 0:
            raw = dict.fromkeys(kept, 1.0)
        else:
            raw = {h: (row[h] / best) ** (1 / tau_w) for h in kept}
        expected = [raw.get(h, 0.0) / sum(raw.values()) for h in range(5)]
        assert weights == pytest.approx(expected, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("weight_map", ["softmax", "power"])
@pytest.mark.parametrize("tau_w", [0.001, 0.5, 2.0])
def test_a_row_of_zeros_is_uniform_over_its_kept_heads(weight_map, tau_w):
    r = torch.tensor([[0.0, 0.0, 0.0, 0.0], [0.9, 0.1, 0.0, 0.0]])
    w = head_weights(r, 2, tau_w, weight_map)
    assert w[0].tolist() == [0.5, 0.5, 0.0, 0.0]
    assert w[1, 0] > w[1, 1]


def test_power_at_a_tiny_temperature_neither_underflows_nor_divides_by_zero():
    # r^1000 is 0 in float64 for all three; the ratio (0.3996/0.4)^1000 = 0.999^1000 is about 1/e.
    w = head_weights(torch.tensor([[0.4, 0.3996, 0.1]]), tau_w=0.001, weight_map="power")[0]
    second = 0.999**1000
    expected = torch.tensor([1 / (1 + second), second / (1 + second), 0.0])
    torch.testing.assert_close(w, expected, rtol=1e-3, atol=1e-6)


def test_power_counts_a_negative_reliability_as_zero():
    w = head_weights(torch.tensor([[-0.5, 0.3, 0.6], [-0.5, -0.1, -0.2]]), tau_w=0.5, weight_map="power")
    torch.testing.assert_close(w[0], torch.tensor([0.0, 0.2, 0.8]))
    torch.testing.assert_close(w[1], torch.full((3,), 1 / 3))


def test_softmax_tells_negative_reliabilities_apart():
    w = head_weights(torch.tensor([[-0.5 * math.log(3), 0.0]]), tau_w=0.5)
    torch.testing.assert_close(w, torch.tensor([[0.25, 0.75]]))


@pytest.mark.parametrize("weight_map", ["softmax", "power"])
def test_a_large_temperature_weighs_all_kept_heads_alike(weight_map):
    w = head_weights(torch.tensor([[0.9, 0.1, 0.4]]), None, 1e9, weight_map)
    torch.testing.assert_close(w, torch.full((1, 3), 1 / 3))


@pytest.mark.parametrize("weight_map", ["softmax", "power"])
def test_a_small_temperature_leaves_the_best_head_alone(weight_map):
    w = head_weights(torch.tensor([[0.2, 0.9, 0.4]]), None, 0.001, weight_map)
    assert w.tolist() == [[0.0, 1.0, 0.0]]
