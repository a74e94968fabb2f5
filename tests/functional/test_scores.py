import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from calm_pl.functional import head_scores, unit

# One clip and one head: x = (3, 4), length 5.
X = torch.tensor([[[3.0, 4.0]]])
# Three classes: (1, 0), (0, 2) and the zero vector.
CENTROIDS = torch.tensor([[[1.0, 0.0]], [[0.0, 2.0]], [[0.0, 0.0]]])


def random_pair(seed, clips=5, heads=3, dim=4, classes=3):
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(clips, heads, dim, generator=generator),
        torch.randn(classes, heads, dim, generator=generator),
    )


def test_cosine_by_hand():
    # cos((3, 4), (1, 0)) = 3/5; cos((3, 4), (0, 2)) = 4/5; the cosine with a zero vector is 0.
    torch.testing.assert_close(head_scores(X, CENTROIDS), torch.tensor([[[0.6, 0.8, 0.0]]]))


def test_dot_by_hand():
    # 3·1 = 3; 4·2 = 8; 0.
    assert head_scores(X, CENTROIDS, "dot").tolist() == [[[3.0, 8.0, 0.0]]]


def test_a_zero_clip_scores_zero_with_every_class():
    assert head_scores(torch.zeros(1, 1, 2), CENTROIDS).tolist() == [[[0.0, 0.0, 0.0]]]


def test_unit_keeps_zero_and_direction():
    vectors = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    torch.testing.assert_close(unit(vectors), torch.tensor([[0.6, 0.8], [0.0, 0.0]], dtype=torch.float64))


@pytest.mark.parametrize("score", ["cosine", "dot"])
def test_matches_a_loop_over_clips_heads_and_classes(score):
    x, mu = random_pair(0)
    found = head_scores(x, mu, score)
    for n in range(5):
        for h in range(3):
            for c in range(3):
                a, b = x[n, h].tolist(), mu[c, h].tolist()
                expected = sum(i * j for i, j in zip(a, b, strict=True))
                if score == "cosine":
                    expected /= math.hypot(*a) * math.hypot(*b)
                assert found[n, h, c].item() == pytest.approx(expected, rel=1e-6, abs=1e-7)


@settings(deadline=None, derandomize=True, max_examples=30)
@given(seed=st.integers(0, 10_000), exponents=st.lists(st.integers(-20, 20), min_size=3, max_size=3))
def test_scaling_a_head_changes_no_cosine(seed, exponents):
    # Powers of two, so that the scaled vectors are exact.
    x, mu = random_pair(seed)
    scale = torch.tensor([2.0**e for e in exponents])[:, None]
    assert torch.equal(head_scores(x * scale, mu * scale), head_scores(x, mu))
    assert torch.equal(head_scores(x * scale, mu), head_scores(x, mu))


def test_scaling_a_head_changes_its_dot_products():
    x, mu = random_pair(1)
    torch.testing.assert_close(head_scores(2 * x, mu, "dot"), 2 * head_scores(x, mu, "dot"))


@pytest.mark.parametrize("size", [1e-25, 1e25])
def test_very_short_and_very_long_vectors_have_a_cosine(size):
    # Their squares, 25e-50 and 25e50, are beyond float32.
    torch.testing.assert_close(head_scores(X * size, CENTROIDS * size), torch.tensor([[[0.6, 0.8, 0.0]]]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("score", ["cosine", "dot"])
def test_16_bit_vectors_score_as_if_upcast_first(dtype, score):
    x, mu = random_pair(2)
    found = head_scores(x.to(dtype), mu, score)
    assert found.dtype == torch.float32
    assert torch.equal(found, head_scores(x.to(dtype).float(), mu, score))


def test_a_clip_scores_the_same_in_every_batch():
    x, mu = random_pair(3, clips=40, heads=20, dim=16, classes=10)
    alone = torch.cat([head_scores(x[n : n + 1], mu) for n in range(40)])
    assert torch.equal(alone, head_scores(x, mu))


def test_equal_centroids_have_equal_scores():
    x, mu = random_pair(4, clips=40, heads=20, dim=16, classes=1)
    scores = head_scores(x, mu.expand(7, -1, -1))
    assert torch.equal(scores, scores[..., :1].expand_as(scores))
