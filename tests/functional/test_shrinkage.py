import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from calm_pl.functional import shrink

# r̄ = (1.0 + 0.2 + 0.6 + 0.2)/4 = 0.5, over all heads and classes; the rows' own means are 0.6 and 0.4.
R = torch.tensor([[1.0, 0.2], [0.6, 0.2]])
COUNTS = torch.tensor([1.0, 3.0])


def test_shrinkage_by_hand():
    # Row 0, n = 1: (1.0·1 + 0.5)/2 = 0.75 and (0.2·1 + 0.5)/2 = 0.35.
    # Row 1, n = 3: (0.6·3 + 0.5)/4 = 0.575 and (0.2·3 + 0.5)/4 = 0.275.
    torch.testing.assert_close(shrink(R, COUNTS, 1.0), torch.tensor([[0.75, 0.35], [0.575, 0.275]]))


def test_zero_changes_nothing():
    assert torch.equal(shrink(R, COUNTS, 0.0), R)


def test_a_large_alpha_leaves_only_the_mean_of_all_heads_and_classes():
    torch.testing.assert_close(shrink(R, COUNTS, 1e9), torch.full((2, 2), 0.5))


def test_classes_with_few_clips_move_further():
    moved = (shrink(R, COUNTS, 2.0) - R).abs() / (R - 0.5).abs()
    # α/(n + α): 2/3 with one clip, 2/5 with three.
    torch.testing.assert_close(moved, torch.tensor([[2 / 3, 2 / 3], [2 / 5, 2 / 5]]))


@settings(deadline=None, derandomize=True, max_examples=25)
@given(
    rows=st.lists(st.lists(st.floats(-1, 1), min_size=3, max_size=3), min_size=1, max_size=4),
    alpha=st.floats(0.01, 100),
)
def test_matches_the_formula_in_plain_python(rows, alpha):
    counts = [1 + 2 * c for c in range(len(rows))]
    mean = sum(map(sum, rows)) / (3 * len(rows))
    found = shrink(torch.tensor(rows, dtype=torch.float64), torch.tensor(counts), alpha).tolist()
    for row, n, result in zip(rows, counts, found, strict=True):
        assert result == pytest.approx([(r * n + mean * alpha) / (n + alpha) for r in row], abs=1e-12)
