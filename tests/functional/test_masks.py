"""Sampling of masks and its schedules, against formulas, slow loops and values by hand."""

import itertools
import math

import pytest
import torch

from calm_pl.functional.masks import (
    annealed_tau,
    initial_logits,
    jaccard,
    left_gumbel,
    probability_on,
    random_mask,
    sample_masks,
    sparsity_loss,
    trained_mask,
    warmed_cosine,
)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("logit", [4.0, 1.0, 0.0, -0.5])
def test_heads_are_on_as_often_as_the_formula_says(logit):
    draws = 400_000
    noise = left_gumbel((draws, 1, 1), generator(3))
    share = float(sample_masks(torch.full((1, 1), logit), noise, 0.5).hard.mean())
    expected = math.exp(-math.exp(-logit))
    assert float(probability_on(torch.tensor(logit))) == pytest.approx(expected, rel=1e-6)
    assert share == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / draws))


def test_the_formula_by_hand():
    found = probability_on(torch.tensor([4.0, 0.0])).tolist()
    assert found == pytest.approx([0.982, 0.368], abs=5e-4)


def test_tau_shapes_the_gradient_only():
    logits = (2 * torch.randn(5, 8, generator=generator(1))).requires_grad_()
    noise = left_gumbel((6, 5, 8), generator(2))
    masks, slopes = [], []
    for tau in (4.0, 0.5, 0.05):
        sample = sample_masks(logits, noise, tau)
        masks.append(sample.hard.detach())
        slopes.append(torch.autograd.grad(sample.hard.sum(), logits)[0])
    assert torch.equal(masks[0], masks[1])
    assert torch.equal(masks[0], masks[2])
    assert set(masks[0].unique().tolist()) == {0.0, 1.0}  # exactly
    assert torch.equal(masks[0], (logits.detach() + noise > 0).float())
    assert not torch.allclose(slopes[0], slopes[1])


@pytest.mark.parametrize("tau", [4.0, 0.5])
def test_the_gradient_is_that_of_the_soft_mask_by_finite_differences(tau):
    logits = torch.randn(3, 4, generator=generator(1)).requires_grad_()
    noise = left_gumbel((2, 3, 4), generator(2))
    costs = torch.randn(2, 3, 4, generator=generator(5))
    slope = torch.autograd.grad((costs * sample_masks(logits, noise, tau).hard).sum(), logits)[0]

    def soft_cost(values):
        total = 0.0
        for n in range(2):
            for layer in range(3):
                for head in range(4):
                    x = (values[layer][head] + float(noise[n, layer, head])) / tau
                    total += float(costs[n, layer, head]) / (1 + math.exp(-x))
        return total

    for layer in range(3):
        for head in range(4):
            up, down = logits.detach().double().tolist(), logits.detach().double().tolist()
            up[layer][head] += 1e-5
            down[layer][head] -= 1e-5
            expected = (soft_cost(up) - soft_cost(down)) / 2e-5
            assert float(slope[layer, head]) == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_each_row_draws_its_own_mask_and_a_seed_gives_it_again():
    logits = torch.zeros(4, 8)
    first, second = left_gumbel((2, 4, 8), generator(0)), left_gumbel((2, 4, 8), generator(0))
    masks = sample_masks(logits, first, 1.0).hard
    assert torch.equal(first, second)
    assert not torch.equal(masks[0], masks[1])


def test_a_16_bit_logit_is_sampled_in_float32():
    sample = sample_masks(torch.zeros(1, 2, dtype=torch.bfloat16), left_gumbel((1, 1, 2), generator()), 0.5)
    assert sample.hard.dtype == sample.soft.dtype == torch.float32


def test_start_values():
    logits = initial_logits(100, 100, generator())
    assert float(logits.mean()) == pytest.approx(4.0, abs=1e-3)
    assert float(logits.std()) == pytest.approx(0.02, rel=0.05)


def test_on_is_what_is_not_negative():
    assert trained_mask(torch.tensor([[-1e-6, 0.0, 2.0]])).tolist() == [[False, True, True]]


def test_sparsity_counts_the_heads_of_a_row():
    masks = torch.zeros(2, 3, 4)
    masks[0, 0, :3] = 1
    masks[1, 2, 1] = 1
    assert float(sparsity_loss(masks, 0.5)) == 0.5 * (3 + 1) / 2
    assert float(sparsity_loss(masks, 0.0)) == 0


def test_tau_falls_in_a_line_and_stays():
    taus = [annealed_tau(step, 100, 4.0, 0.5, 0.3) for step in (0, 15, 29, 30, 99)]
    assert taus == pytest.approx([4.0, 2.25, 4 - 3.5 * 29 / 30, 0.5, 0.5])
    assert annealed_tau(0, 10, 4.0, 0.05, 0.0) == 0.05


def test_the_learning_rate_warms_up_and_follows_a_cosine():
    rates = [warmed_cosine(step, 101, 10, 0.1, 0.001) for step in range(101)]
    assert rates[0] == pytest.approx(0.01)
    assert rates[9] == rates[10] == pytest.approx(0.1)
    assert rates[55] == pytest.approx((0.1 + 0.001) / 2)  # the middle of the cosine
    assert rates[100] == pytest.approx(0.001)
    assert all(a >= b for a, b in itertools.pairwise(rates[10:]))
    assert warmed_cosine(0, 1, 0, 0.1, 0.001) == 0.1


def test_jaccard_against_sets():
    masks = torch.rand(4, 3, 5, generator=generator(4)) < 0.4
    masks[3] = False
    found = jaccard(masks)
    sets = [{tuple(place) for place in mask.nonzero().tolist()} for mask in masks]
    for a in range(4):
        for b in range(4):
            either = sets[a] | sets[b]
            expected = len(sets[a] & sets[b]) / len(either) if either else 1.0
            assert float(found[a, b]) == pytest.approx(expected)


def test_random_masks_have_as_many_heads_on_as_asked():
    masks = [random_mask(4, 8, 11, generator(seed)) for seed in range(200)]
    assert {int(mask.sum()) for mask in masks} == {11}
    share = torch.stack(masks).float().mean(0)
    assert float((share - 11 / 32).abs().max()) < 5 * math.sqrt(
        11 / 32 * 21 / 32 / 200
    )  # no head is preferred
