import pytest
import torch

from calm_pl.functional import HeadScorer, majority_vote, posterior_votes, weighted_vote


def ballots(*classes, num_classes=3):
    """Scores of one clip whose heads, best first, vote for `classes`."""
    return torch.nn.functional.one_hot(torch.tensor([classes]), num_classes).float()


def test_most_votes_win():
    counts, winner = majority_vote(ballots(0, 2, 2))
    assert counts.tolist() == [[1.0, 0.0, 2.0]]
    assert winner.tolist() == [2]


@pytest.mark.parametrize(
    ("votes", "winner"),
    [
        ((2, 0, 0, 2), 2),  # two each: the best-ranked head voted for 2
        ((0, 2, 2, 0), 0),
        ((1, 2, 2, 0, 0), 2),  # the best head's own class is not among the leaders; the next head's is
        ((2, 1, 0), 2),  # one each
    ],
)
def test_equal_counts_go_to_the_class_of_the_best_ranked_head_among_the_leaders(votes, winner):
    assert majority_vote(ballots(*votes)).winner_N.tolist() == [winner]


def test_equal_scores_go_to_the_lower_class():
    scores = torch.tensor([[[0.2, 0.9, 0.9]]])
    counts, winner = majority_vote(scores)
    assert counts.tolist() == [[0.0, 1.0, 0.0]]
    assert winner.tolist() == [1]


def test_clips_vote_apart():
    scores = torch.cat([ballots(0, 0, 1), ballots(1, 1, 0)])
    assert majority_vote(scores).winner_N.tolist() == [0, 1]


def test_one_row_of_weights_is_for_all_classes():
    # 0.75·(0.2, 0.8) + 0.25·(0.6, 0.4) = (0.30, 0.70).
    p = torch.tensor([[[0.2, 0.8], [0.6, 0.4]]])
    torch.testing.assert_close(weighted_vote(p, torch.tensor([0.75, 0.25])), torch.tensor([[0.3, 0.7]]))


def test_a_row_of_weights_a_class():
    # Class 0: 0.75·0.2 + 0.25·0.6 = 0.30. Class 1: 0.5·0.8 + 0.5·0.4 = 0.60.
    p = torch.tensor([[[0.2, 0.8], [0.6, 0.4]]])
    weights = torch.tensor([[0.75, 0.25], [0.5, 0.5]])
    torch.testing.assert_close(weighted_vote(p, weights), torch.tensor([[0.3, 0.6]]))


@pytest.mark.parametrize("conditional", [False, True])
def test_matches_a_loop_over_clips_classes_and_heads(conditional):
    generator = torch.Generator().manual_seed(0)
    p = torch.softmax(torch.randn(5, 4, 3, generator=generator), -1)
    shape = (3, 4) if conditional else (4,)
    w = torch.softmax(torch.randn(*shape, generator=generator), -1)
    found = weighted_vote(p, w)
    assert found.dtype == torch.float32
    for n in range(5):
        for c in range(3):
            row = w[c] if conditional else w
            expected = sum(row[h].item() * p[n, h, c].item() for h in range(4))
            assert found[n, c].item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("conditional", [False, True])
def test_a_clip_has_the_same_scores_in_every_batch(conditional):
    # Otherwise the last bits, and with them a tie's winner, depend on the batch size.
    generator = torch.Generator().manual_seed(1)
    p = torch.softmax(torch.randn(17, 64, 10, generator=generator), -1)
    w = torch.softmax(torch.randn(*((10, 64) if conditional else (64,)), generator=generator), -1)
    alone = torch.cat([weighted_vote(p[n : n + 1], w) for n in range(17)])
    torch.testing.assert_close(weighted_vote(p, w), alone, rtol=0, atol=0)


@pytest.mark.parametrize("classes", [2, 3, 5, 10])
def test_classes_with_equal_posteriors_have_equal_scores(classes):
    # A tie that rounding breaks would not go to the lower class.
    generator = torch.Generator().manual_seed(2)
    p = torch.rand(17, 33, 1, generator=generator).repeat(1, 1, classes) / classes
    scores = weighted_vote(p, torch.softmax(torch.randn(33, generator=generator), -1))
    torch.testing.assert_close(scores, scores[:, :1].expand_as(scores), rtol=0, atol=0)


@pytest.mark.parametrize("conditional", [False, True])
def test_votes_of_many_clips_and_classes_are_those_of_each_alone(conditional):
    # 300 clips of 40 classes are summed head by head, single ones several heads at a time.
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(300, 9, 8, generator=generator)
    scorer = HeadScorer(torch.randn(40, 9, 8, generator=generator))
    shape = (40, 9) if conditional else (9,)
    w = torch.softmax(torch.randn(*shape, generator=generator), -1)
    (together,) = posterior_votes(x, scorer, [(0.1, w[None])])
    alone = [posterior_votes(x[n : n + 1], scorer, [(0.1, w[None])])[0] for n in range(300)]
    assert torch.equal(together.float(), torch.cat(alone).float())
