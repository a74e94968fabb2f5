"""Sampled tokens: their noise is a published generator's, their frequencies are the model's probabilities."""

import pytest
import torch

from calm_pl.functional import hashed_uniforms, nucleus, sample_tokens

MASK = (1 << 64) - 1


def splitmix64(seed, count):
    """The generator with Python's own numbers, one after the other."""
    found = []
    for _ in range(count):
        seed = (seed + 0x9E3779B97F4A7C15) & MASK
        z = seed
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        found.append(z ^ (z >> 31))
    return found


def test_the_noise_is_splitmix64():
    # The generator's well-known first numbers for this seed.
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert splitmix64(1234567, 4) == published
    u = hashed_uniforms(torch.tensor([1234567, -5]), 0, 4)
    for row, seed in zip(u.tolist(), (1234567, -5 & MASK), strict=True):
        assert row == pytest.approx([(n >> 11) / 2**53 for n in splitmix64(seed, 4)], abs=2**-53)


def test_any_place_of_a_stream_can_be_had_alone():
    seeds = torch.tensor([3, -(2**63), 2**63 - 1])
    whole = hashed_uniforms(seeds, 0, 50)
    assert torch.equal(hashed_uniforms(seeds, 20, 30), whole[:, 20:])
    assert torch.equal(hashed_uniforms(seeds[1:2], 0, 50), whole[1:2])
    assert bool((whole > 0).all())
    assert bool((whole < 1).all())


def frequencies(logits_V, temperature, top_p, count=60_000):
    seeds = torch.arange(count) * 7919 - 10**9
    rows = logits_V.expand(count, -1)
    token_N = sample_tokens(rows, torch.full((count,), temperature), top_p, seeds, step=3)
    return torch.bincount(token_N, minlength=len(logits_V)) / count


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_tokens_come_as_often_as_their_probability_says(temperature):
    logits_V = torch.tensor([2.0, 0.0, 1.0, -1.0, 0.5])
    expected = torch.softmax(logits_V / temperature, -1)
    assert (frequencies(logits_V, temperature, 1.0) - expected).abs().max() < 0.008  # four standard errors


def test_tokens_outside_of_the_nucleus_never_come():
    p_V = torch.tensor([0.1, 0.4, 0.3, 0.2])
    expected = torch.tensor([0.0, 4 / 7, 3 / 7, 0.0])
    assert (frequencies(p_V.log(), 1.0, 0.6) - expected).abs().max() < 0.008


@pytest.mark.parametrize(
    ("top_p", "kept"),
    [(1e-9, "0100"), (0.4, "0100"), (0.41, "0110"), (0.7, "0110"), (0.75, "0111"), (0.99, "1111")],
)
def test_the_nucleus_is_the_fewest_that_reach_the_share(top_p, kept):
    p_NV = torch.tensor([[0.1, 0.4, 0.3, 0.2]])
    assert "".join(str(int(one)) for one in nucleus(p_NV.log(), top_p)[0]) == kept


def test_equal_tokens_enter_the_nucleus_by_their_ids():
    assert nucleus(torch.zeros(1, 4), 0.5)[0].tolist() == [True, True, False, False]


def test_steps_and_seeds_have_noise_of_their_own():
    logits = torch.zeros(1, 1000)
    seed, warm = torch.tensor([5]), torch.ones(1)
    drawn = [int(sample_tokens(logits, warm, 1.0, seed, step)) for step in range(50)]
    assert len(set(drawn)) > 40
    assert drawn == [int(sample_tokens(logits, warm, 1.0, seed, step)) for step in range(50)]
    others = sample_tokens(logits.expand(50, -1), warm.expand(50), 1.0, torch.arange(50), 0)
    assert len(set(others.tolist())) > 40


def test_rounding_does_not_move_a_flat_choice_of_many():
    """Errors of 1e-6, as batching makes, would move an inverse distribution function over that many."""
    torch.manual_seed(0)
    logits_NV = 0.01 * torch.randn(200, 50_000)
    seeds, warm = torch.arange(200), torch.full((200,), 2.5)
    first = sample_tokens(logits_NV, warm, 1.0, seeds, 0)
    again = sample_tokens(logits_NV + 1e-6 * torch.randn_like(logits_NV), warm, 1.0, seeds, 0)
    assert torch.equal(first, again)
    assert len(set(first.tolist())) > 190
