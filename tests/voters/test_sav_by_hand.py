import pytest
import torch

from calm_pl.voters import Sav

A, B, C = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]


def three_classes(heads):
    """One clip a class; every head has the centroids A, B and C and is right on all of them."""
    return torch.tensor([[vector] * heads for vector in (A, B, C)]), ["a", "b", "c"]


def test_accuracy_of_a_head_by_hand():
    # Head 0: class a is (2, 0) twice, class b (0, 1) twice: all right. Head 1: class a is (2, 0) and (0, 1)
    # with the mean (1, 0.5), class b (0, 1) twice: the second clip is nearer to b, 3 of 4 right.
    x = torch.tensor(
        [
            [[2.0, 0.0], [2.0, 0.0]],
            [[2.0, 0.0], [0.0, 1.0]],
            [[0.0, 1.0], [0.0, 1.0]],
            [[0.0, 1.0], [0.0, 1.0]],
        ]
    )
    voter = Sav(top_k=1).fit(x, ["a", "a", "b", "b"])
    assert voter.reliability_.tolist() == [1.0, 0.75]
    assert voter.heads_.tolist() == [0]
    assert voter.weights_.tolist() == [1.0, 0.0]


def test_the_better_head_is_kept_although_it_has_the_higher_index():
    # The same heads the other way round.
    x = torch.tensor(
        [
            [[2.0, 0.0], [2.0, 0.0]],
            [[0.0, 1.0], [2.0, 0.0]],
            [[0.0, 1.0], [0.0, 1.0]],
            [[0.0, 1.0], [0.0, 1.0]],
        ]
    )
    voter = Sav(top_k=1).fit(x, ["a", "a", "b", "b"])
    assert voter.heads_.tolist() == [1]
    # Only head 1 votes.
    assert voter.predict(torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])).tolist() == ["b"]


def test_equal_heads_go_by_lower_index():
    x, labels = three_classes(heads=50)
    assert Sav(top_k=30).fit(x, labels).heads_.tolist() == list(range(30))


@pytest.mark.parametrize(
    ("query", "counts", "winner"),
    [
        ([A, B, B, C], [1, 2, 1], "b"),
        ([C, A, A, C], [2, 0, 2], "c"),  # two each; the first head voted c
        ([A, C, C, A], [2, 0, 2], "a"),
        ([A, C, B, B], [1, 2, 1], "b"),
    ],
)
def test_votes_and_equal_counts_by_hand(query, counts, winner):
    voter = Sav(top_k=4).fit(*three_classes(heads=4))
    query = torch.tensor([query])
    assert voter.vote(query).scores_NC.tolist() == [counts]
    assert voter.predict(query).tolist() == [winner]
    torch.testing.assert_close(voter.predict_proba(query), torch.tensor([counts]) / 4)


def test_the_leading_head_is_the_best_ranked_not_the_first():
    # Held out, head 1 is right on both clips and head 0 on one: head 1 ranks first, so its vote breaks ties.
    x, labels = torch.tensor([[[1.0, 0.0]] * 2, [[0.0, 1.0]] * 2]), ["a", "b"]
    heldout = torch.tensor([[[1.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]])
    voter = Sav().fit(x, labels, heldout=(heldout, labels))
    assert voter.reliability_.tolist() == [0.5, 1.0]
    assert voter.heads_.tolist() == [1, 0]
    query = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    assert voter.vote(query).scores_NC.tolist() == [[1.0, 1.0]]
    assert voter.predict(query).tolist() == ["b"]


def test_equal_cosines_go_to_the_lower_class():
    # (1, 1, 0) is as near to A as to B.
    voter = Sav().fit(*three_classes(heads=1))
    assert voter.predict(torch.tensor([[[1.0, 1.0, 0.0]]])).tolist() == ["a"]
    assert voter.predict(torch.tensor([[[0.0, 1.0, 1.0]]])).tolist() == ["b"]


def test_twin_classes_always_go_to_the_lower_one():
    # Every class has the same clips, so all cosines tie, whatever the batch.
    generator = torch.Generator().manual_seed(0)
    clips = torch.randn(4, 9, 5, generator=generator)
    voter = Sav().fit(clips.repeat(3, 1, 1), [label for label in "abc" for _ in range(4)])
    assert set(voter.predict(torch.randn(37, 9, 5, generator=generator)).tolist()) == {"a"}
