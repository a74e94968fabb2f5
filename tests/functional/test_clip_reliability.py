import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from calm_pl.functional import clip_reliability, is_highest, sum_by_class

# One clip, one head, three classes. Σ p² = 0.25 + 0.09 + 0.04 = 0.38.
P = torch.tensor([[[0.5, 0.3, 0.2]]])


@pytest.mark.parametrize(
    ("kind", "true_class", "expected"),
    [
        ("margin_clamped", 0, 0.2),  # 0.5 - 0.3
        ("margin_clamped", 1, 0.0),  # 0.3 - 0.5, below 0
        ("margin", 0, 0.2),
        ("margin", 1, -0.2),  # 0.3 - 0.5
        ("margin", 2, -0.3),  # 0.2 - 0.5
        ("prob", 1, 0.3),
        ("brier", 0, 0.62),  # 1.0 - 0.38
        ("brier", 2, 0.02),  # 0.4 - 0.38
    ],
)
def test_reliability_of_a_clip_by_hand(kind, true_class, expected):
    found = clip_reliability(P, torch.tensor([true_class]), kind)
    assert found.item() == pytest.approx(expected, abs=1e-6)


def test_default_is_the_clamped_margin_of_the_paper():
    assert clip_reliability(P, torch.tensor([1])).item() == 0.0


def test_two_classes_have_the_difference_as_margin():
    # 0.75 - 0.25 for the true class, and its negative for the other.
    p = torch.tensor([[[0.75, 0.25]], [[0.75, 0.25]]])
    assert clip_reliability(p, torch.tensor([0, 1]), "margin").flatten().tolist() == [0.5, -0.5]


def test_a_rival_as_likely_as_the_true_class_leaves_no_margin():
    p = torch.tensor([[[0.4, 0.4, 0.2]]])
    assert clip_reliability(p, torch.tensor([0]), "margin").item() == 0.0


def test_clips_and_heads_have_their_own_true_class():
    # Clip 0 is of class 0, clip 1 of class 1; head 1 is head 0 with the classes swapped.
    p = torch.tensor([[[0.9, 0.1], [0.1, 0.9]], [[0.9, 0.1], [0.1, 0.9]]])
    assert clip_reliability(p, torch.tensor([0, 1]), "prob").tolist() == [
        pytest.approx([0.9, 0.1]),
        pytest.approx([0.1, 0.9]),
    ]


@pytest.mark.parametrize("kind", ["margin_clamped", "margin", "prob", "brier"])
@settings(deadline=None, derandomize=True, max_examples=25)
@given(seed=st.integers(0, 10_000), classes=st.integers(2, 6))
def test_matches_a_loop_over_clips_and_heads(kind, seed, classes):
    generator = torch.Generator().manual_seed(seed)
    p_NHC = torch.softmax(3 * torch.randn(4, 3, classes, generator=generator), -1)
    y = torch.randint(0, classes, (4,), generator=generator)
    found = clip_reliability(p_NHC, y, kind)
    assert found.dtype == torch.float32
    for n in range(4):
        for h in range(3):
            p, true = p_NHC[n, h].tolist(), y[n].item()
            rival = max(p[c] for c in range(classes) if c != true)
            expected = {
                "margin_clamped": max(0.0, p[true] - rival),
                "margin": p[true] - rival,
                "prob": p[true],
                "brier": 2 * p[true] - sum(value**2 for value in p),
            }[kind]
            assert found[n, h].item() == pytest.approx(expected, abs=1e-6)


def test_posteriors_are_left_as_they_were():
    p = P.clone()
    clip_reliability(p, torch.tensor([0]), "margin")
    assert torch.equal(p, P)


def test_sums_by_class_by_hand():
    # Clips 0 and 2 are of class 1; class 2 has none.
    m = torch.tensor([[0.5, 0.0], [0.25, 1.0], [0.25, 0.5]])
    sums = sum_by_class(m, torch.tensor([1, 0, 1]), 3)
    assert sums.tolist() == [[0.25, 1.0], [0.75, 0.5], [0.0, 0.0]]
    assert sums.dtype == torch.float64


@pytest.mark.parametrize("values", [2, 4, 1000])
def test_the_first_of_the_highest_scores_wins(values):
    # Two and four different scores have many ties.
    generator = torch.Generator().manual_seed(values)
    scores = torch.randint(values, (50, 7, 5), generator=generator).float()
    y = torch.randint(5, (50,), generator=generator)
    assert torch.equal(is_highest(scores, y), scores.argmax(-1) == y[:, None])
