import math

import numpy as np
import pytest
import torch

from calm_pl.voters import Calm, CalmGlobal

# With τ_p = τ_w·2 = 1/ln 3 a cosine of 1 against 0 is a posterior of 3/4 against 1/4, margin 1/2.
TAU_P = 1 / math.log(3)
# A reliability of 1/2 against 0 is then a weight of 3/4 against 1/4.
TAU_W = 0.5 / math.log(3)

EAST, NORTH = [1.0, 0.0], [0.0, 1.0]


def test_calm_global_by_hand():
    # Head 0 separates the classes: its centroids are (1, 0) and (0, 1), each clip's margin 1/2.
    # Head 1 is north for all: its posteriors are 1/2, its margins 0. So r = (1/2, 0).
    x = torch.tensor([[EAST, NORTH], [EAST, NORTH], [NORTH, NORTH], [NORTH, NORTH]])
    voter = CalmGlobal(TAU_P, TAU_W).fit(x, ["a", "a", "b", "b"])
    torch.testing.assert_close(voter.reliability_, torch.tensor([0.5, 0.0]))
    torch.testing.assert_close(voter.weights_, torch.tensor([0.75, 0.25]))

    # North in head 0 is p = (1/4, 3/4); anything in head 1 is (1/2, 1/2).
    # a: 3/4·1/4 + 1/4·1/2 = 5/16. b: 3/4·3/4 + 1/4·1/2 = 11/16. Lengths do not matter.
    query = torch.tensor([[[0.0, 2.0], [5.0, 5.0]]])
    torch.testing.assert_close(voter.vote(query).scores_NC, torch.tensor([[5 / 16, 11 / 16]]))
    assert voter.predict(query).tolist() == ["b"]


def fitted_on_heldout(voter_class, **options):
    """Both heads have the centroids a = (1, 0) and b = (0, 1).

    Held out, the clip of a is east in head 0 (margin 1/2) and north in head 1 (margin -1/2, so 0); the clip
    of b is east in head 0 (0) and north in head 1 (1/2).
    """
    support = torch.tensor([[EAST, EAST], [NORTH, NORTH]])
    heldout = torch.tensor([[EAST, NORTH], [EAST, NORTH]])
    voter = voter_class(TAU_P, TAU_W, reliability_split="heldout", **options)
    return voter.fit(support, ["a", "b"], heldout=(heldout, ["a", "b"]))


def test_calm_trusts_another_head_for_each_class():
    voter = fitted_on_heldout(Calm)
    torch.testing.assert_close(voter.reliability_, torch.tensor([[0.5, 0.0], [0.0, 0.5]]))
    torch.testing.assert_close(voter.weights_, torch.tensor([[0.75, 0.25], [0.25, 0.75]]))


def test_calm_global_averages_over_the_classes():
    voter = fitted_on_heldout(CalmGlobal)
    torch.testing.assert_close(voter.reliability_, torch.tensor([0.25, 0.25]))
    torch.testing.assert_close(voter.weights_, torch.tensor([0.5, 0.5]))


@pytest.mark.parametrize(
    ("query", "scores", "winner"),
    [
        # Both heads say a: 3/4 against 1/4, whatever the weights.
        ([EAST, EAST], [0.75, 0.25], "a"),
        # Head 0 says a, head 1 says b, and each is trusted where it speaks for its class:
        # a: 3/4·3/4 + 1/4·1/4 = 10/16; b: 1/4·1/4 + 3/4·3/4 = 10/16. The lower class wins the tie.
        ([EAST, NORTH], [0.625, 0.625], "a"),
        # The other way round: a: 3/4·1/4 + 1/4·3/4 = 6/16; b: the same.
        ([NORTH, EAST], [0.375, 0.375], "a"),
        ([NORTH, NORTH], [0.25, 0.75], "b"),
    ],
)
def test_calm_scores_by_hand(query, scores, winner):
    voter = fitted_on_heldout(Calm)
    query = torch.tensor([query])
    torch.testing.assert_close(voter.vote(query).scores_NC, torch.tensor([scores]))
    assert voter.predict(query).tolist() == [winner]
    expected = np.array([scores]) / sum(scores)
    np.testing.assert_allclose(voter.predict_proba(query), expected, atol=1e-6)


def test_one_kept_head_a_class_decides_alone():
    voter = fitted_on_heldout(Calm, top_k=1)
    assert voter.weights_.tolist() == [[1.0, 0.0], [0.0, 1.0]]
    # Class a listens to head 0 only (1/4), class b to head 1 only (1/4).
    found = voter.vote(torch.tensor([[NORTH, EAST]])).scores_NC
    torch.testing.assert_close(found, torch.tensor([[0.25, 0.25]]))


def test_unclamped_margins_may_be_negative():
    voter = fitted_on_heldout(Calm, reliability="margin")
    torch.testing.assert_close(voter.reliability_, torch.tensor([[0.5, -0.5], [-0.5, 0.5]]))
    # Half and minus half are ln 3 apart twice: weights 9 : 1.
    torch.testing.assert_close(voter.weights_, torch.tensor([[0.9, 0.1], [0.1, 0.9]]))


def test_shrinkage_by_hand():
    # r̄ = 1/4, one clip a class, α = 1: (1/2 + 1/4)/2 = 3/8 and (0 + 1/4)/2 = 1/8.
    voter = fitted_on_heldout(Calm, shrinkage=1.0)
    torch.testing.assert_close(voter.reliability_, torch.tensor([[0.375, 0.125], [0.125, 0.375]]))


def test_dot_product_hears_the_length():
    # One head; centroids (1, 0) and (0, 2). The query (3, 2) is nearer to a in angle, but 3·1 < 2·2.
    x, labels = torch.tensor([[[1.0, 0.0]], [[0.0, 2.0]]]), ["a", "b"]
    query = torch.tensor([[[3.0, 2.0]]])
    assert CalmGlobal().fit(x, labels).predict(query).tolist() == ["a"]
    assert CalmGlobal(score="dot").fit(x, labels).predict(query).tolist() == ["b"]
