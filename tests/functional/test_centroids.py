import numpy as np
import pytest
import torch

from calm_pl.functional import centroids_from_sums, chunks, class_sums


def centroids(x_NHD, y_N, num_classes):
    return centroids_from_sums(*class_sums(x_NHD, y_N, num_classes))


def test_centroid_is_the_mean_of_the_clips_of_its_class():
    # One head. Class 0: (0, 2) and (4, 0), mean (2, 1). Class 1: (1, 1) alone.
    x = torch.tensor([[[0.0, 2.0]], [[1.0, 1.0]], [[4.0, 0.0]]])
    assert centroids(x, torch.tensor([0, 1, 0]), 2).tolist() == [[[2.0, 1.0]], [[1.0, 1.0]]]


def test_heads_do_not_mix():
    # Head 0 sees (1, 0) and (3, 0), head 1 sees (0, 1) and (0, 5).
    x = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[3.0, 0.0], [0.0, 5.0]]])
    assert centroids(x, torch.tensor([0, 0]), 1).tolist() == [[[2.0, 0.0], [0.0, 3.0]]]


def test_the_mean_is_not_a_mean_of_directions():
    # (10, 0) and (0, 2): the mean is (5, 1), not the diagonal that two unit vectors would give.
    x = torch.tensor([[[10.0, 0.0]], [[0.0, 2.0]]])
    assert centroids(x, torch.tensor([0, 0]), 1).tolist() == [[[5.0, 1.0]]]


def test_sums_and_counts_of_a_class():
    x = torch.tensor([[[1.0]], [[2.0]], [[4.0]]])
    sums, counts = class_sums(x, torch.tensor([2, 0, 2]), 3)
    assert sums.flatten().tolist() == [2.0, 0.0, 5.0]
    assert counts.tolist() == [1.0, 0.0, 2.0]


def test_a_class_without_clips_has_a_zero_centroid():
    assert centroids(torch.ones(1, 1, 2), torch.tensor([0]), 2)[1].tolist() == [[0.0, 0.0]]


def test_sums_of_parts_add_up_to_the_sums_of_the_whole():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(11, 3, 4, generator=generator)
    y = torch.randint(0, 3, (11,), generator=generator)
    whole_sums, whole_counts = class_sums(x, y, 3)
    parts = [class_sums(x[part], y[part], 3) for part in (slice(0, 5), slice(5, 5), slice(5, 11))]
    torch.testing.assert_close(sum(sums for sums, _ in parts), whole_sums, rtol=0, atol=1e-14)
    assert torch.equal(sum(counts for _, counts in parts), whole_counts)


def test_matches_a_loop_over_clips():
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((9, 2, 3)), rng.permutation([0, 0, 0, 1, 1, 1, 1, 2, 2])
    found = centroids(torch.from_numpy(x), torch.from_numpy(y), 3)
    for c in range(3):
        total, count = np.zeros((2, 3)), 0
        for n in range(9):
            if y[n] == c:
                total, count = total + x[n], count + 1
        np.testing.assert_allclose(found[c].numpy(), total / count, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_sums_are_float64_and_centroids_float32_whatever_comes_in(dtype):
    sums, counts = class_sums(torch.ones(2, 1, 2, dtype=dtype), torch.tensor([0, 0]), 1)
    assert (sums.dtype, counts.dtype) == (torch.float64, torch.float64)
    assert centroids_from_sums(sums, counts).dtype == torch.float32


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_many_16_bit_vectors_keep_the_direction_of_their_mean(dtype):
    # A 16-bit sum of ones stops growing at 2048 (fp16) or 256 (bf16), while the small second
    # coordinate goes on: the direction bends.
    generator = torch.Generator().manual_seed(2)
    x = (torch.tensor([1.0, 0.05]) + 0.01 * torch.randn(22_800, 1, 2, generator=generator)).to(dtype)
    found = centroids(x, torch.zeros(22_800, dtype=torch.int64), 1)[0, 0].double().numpy()
    true = x.double().numpy().mean(0)[0]
    np.testing.assert_allclose(found, true, rtol=1e-6)
    assert found @ true / np.linalg.norm(found) / np.linalg.norm(true) > 1 - 1e-12


def test_fp16_sums_do_not_overflow():
    # 2 · 60000 is above the largest fp16 number, 65504.
    x = torch.full((2, 1, 1), 60_000.0, dtype=torch.float16)
    assert centroids(x, torch.tensor([0, 0]), 1).item() == x[0].float().item()


def test_chunked_sums_equal_unchunked_ones(monkeypatch):
    x = torch.randn(13, 2, 3, generator=torch.Generator().manual_seed(3))
    y = torch.arange(13) % 3
    whole, counts = class_sums(x, y, 3)
    monkeypatch.setattr(chunks, "MAX_BLOCK", 12)  # two clips at a time
    part, part_counts = class_sums(x, y, 3)
    torch.testing.assert_close(part, whole, rtol=0, atol=1e-14)
    assert torch.equal(part_counts, counts)
