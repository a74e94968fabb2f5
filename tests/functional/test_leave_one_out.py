import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from calm_pl.functional import centroids_from_sums, class_sums, head_scores, leave_one_out_scores


def fitted(x, y, classes, score):
    sums, counts = class_sums(x, y, classes)
    centroids = centroids_from_sums(sums, counts)
    return head_scores(x, centroids, score), centroids, counts


def left_out(x, y, classes, score="cosine"):
    scores, centroids, counts = fitted(x, y, classes, score)
    return leave_one_out_scores(scores, x, y, centroids, counts, score)


# One head. Class 0: (0, 5), (6, 0), (0, 8). Class 1: (1, 0) twice.
X = torch.tensor([[[0.0, 5.0]], [[6.0, 0.0]], [[0.0, 8.0]], [[1.0, 0.0]], [[1.0, 0.0]]])
Y = torch.tensor([0, 0, 0, 1, 1])


def test_own_class_by_hand():
    # Without (0, 5) the mean of class 0 is (3, 4): cos((0, 5), (3, 4)) = 4/5, dot 20.
    assert left_out(X, Y, 2)[0, 0, 0].item() == pytest.approx(0.8, abs=1e-6)
    assert left_out(X, Y, 2, "dot")[0, 0, 0].item() == pytest.approx(20.0, rel=1e-6)


def test_duplicates_still_find_each_other():
    # Without one (1, 0) the other remains: cosine 1.
    assert left_out(X, Y, 2)[3, 0, 1].item() == pytest.approx(1.0, abs=1e-6)


def test_scores_with_other_classes_stay_as_they_are():
    scores, centroids, counts = fitted(X, Y, 2, "cosine")
    found = leave_one_out_scores(scores, X, Y, centroids, counts)
    assert torch.equal(found[:3, :, 1], scores[:3, :, 1])
    assert torch.equal(found[3:, :, 0], scores[3:, :, 0])


def test_given_scores_are_left_as_they_were():
    scores, centroids, counts = fitted(X, Y, 2, "cosine")
    before = scores.clone()
    leave_one_out_scores(scores, X, Y, centroids, counts)
    assert torch.equal(scores, before)


@pytest.mark.parametrize("score", ["cosine", "dot"])
def test_a_clip_alone_in_its_class_scores_zero_there(score):
    x = torch.tensor([[[1.0, 2.0]], [[3.0, 1.0]], [[3.0, 2.0]]])
    assert left_out(x, torch.tensor([0, 1, 1]), 2, score)[0, 0, 0].item() == 0.0


def test_clips_that_cancel_out_leave_a_zero_centroid():
    # Without (0.3, 0.7) class 0 holds (1, 0) and (-1, 0): their mean is zero, and its cosine 0.
    x = torch.tensor([[[0.3, 0.7]], [[1.0, 0.0]], [[-1.0, 0.0]], [[0.0, 1.0]], [[0.0, 1.0]]])
    assert left_out(x, Y, 2)[0, 0, 0].item() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("score", ["cosine", "dot"])
@settings(deadline=None, derandomize=True, max_examples=25)
@given(seed=st.integers(0, 10_000), dtype=st.sampled_from([torch.float32, torch.float16, torch.bfloat16]))
def test_matches_centroids_refitted_without_each_clip(score, seed, dtype):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(9, 2, 3, generator=generator).to(dtype)
    y = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1, 0])
    found = left_out(x, y, 3, score)
    assert found.dtype == torch.float32
    for n in range(9):
        for h in range(2):
            for c in range(3):
                others = [x[m, h].tolist() for m in range(9) if m != n and y[m] == c]
                mean = [sum(column) / len(others) for column in zip(*others, strict=True)]
                a = x[n, h].tolist()
                expected = sum(i * j for i, j in zip(a, mean, strict=True))
                if score == "cosine":
                    expected /= math.hypot(*a) * math.hypot(*mean)
                assert found[n, h, c].item() == pytest.approx(expected, abs=2e-6)
