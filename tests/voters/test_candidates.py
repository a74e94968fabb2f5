"""A vote among some classes only, against slow loops over those classes."""

import numpy as np
import pytest
import torch
from head_vectors import noisy_clips
from reference_loops import lowest_argmax, mean_vector, similarity, softmax

from calm_pl.voters import Calm, CalmGlobal, Sav

CLASSES = 5
QUERIES = 30


def listed_classes(seed, queries=QUERIES):
    """Two classes to all for each clip."""
    rng = np.random.default_rng(seed)
    return [
        sorted(rng.choice(CLASSES, rng.integers(2, CLASSES + 1), replace=False).tolist())
        for _ in range(queries)
    ]


def mask(listed):
    return torch.tensor([[c in own for c in range(CLASSES)] for own in listed])


@pytest.fixture(scope="module")
def sets():
    support = noisy_clips(0, (4, 5, 3, 6, 4))
    queries, _ = noisy_clips(1, (6,) * CLASSES, noise=1.2)
    return *support, queries


VOTERS = [
    Calm(0.1, top_k=4),
    Calm(0.03, weight_map="power", score="dot"),
    CalmGlobal(0.1),
    CalmGlobal(0.3, top_k=2, score="dot"),
]


@pytest.mark.parametrize("voter", VOTERS, ids=repr)
def test_calm_is_the_slow_loop_over_the_listed_classes(sets, voter):
    x, y, queries = sets
    voter.fit(x, y)
    listed = listed_classes(2)
    decision = voter.vote(queries, mask(listed))
    p = voter.get_params()
    weights = np.broadcast_to(voter.weights_.numpy(), (CLASSES, x.shape[1]))
    centroids = [[mean_vector(x[y == c][:, h].tolist()) for h in range(x.shape[1])] for c in range(CLASSES)]
    for n, own in enumerate(listed):
        scores = dict.fromkeys(range(CLASSES), 0.0)
        for h in range(x.shape[1]):
            near = [similarity(queries[n, h].tolist(), centroids[c][h], p["score"]) for c in own]
            for c, posterior in zip(own, softmax(near, p["tau_p"]), strict=True):
                scores[c] += weights[c, h] * posterior
        np.testing.assert_allclose(decision.scores_NC[n], list(scores.values()), rtol=1e-4, atol=1e-6)
        assert decision.winner_N[n] == lowest_argmax(list(scores.values()))
        assert decision.winner_N[n] in own


@pytest.mark.parametrize("top_k", [1, 3, 4, None])
def test_sav_is_the_slow_loop_over_the_listed_classes(sets, top_k):
    x, y, queries = sets
    voter = Sav(top_k).fit(x, y)
    listed = listed_classes(3)
    decision = voter.vote(queries, mask(listed))
    centroids = voter.centroids_.tolist()
    for n, own in enumerate(listed):
        votes = []
        for h in voter.heads_.tolist():
            near = [similarity(queries[n, h].tolist(), centroids[c][h], "cosine") for c in own]
            votes.append(own[lowest_argmax(near)])
        counts = [votes.count(c) for c in range(CLASSES)]
        assert decision.scores_NC[n].tolist() == counts
        assert decision.winner_N[n] == next(v for v in votes if counts[v] == max(counts))


EVERY = [Sav(3), Calm(0.1, top_k=4), CalmGlobal(0.1)]


@pytest.mark.parametrize("voter", EVERY, ids=repr)
def test_all_classes_as_candidates_change_nothing(sets, voter):
    x, y, queries = sets
    voter.fit(x, y)
    everything = voter.vote(queries, torch.ones(QUERIES, CLASSES, dtype=torch.bool))
    nothing_said = voter.vote(queries)
    assert torch.equal(everything.scores_NC, nothing_said.scores_NC)
    assert torch.equal(everything.winner_N, nothing_said.winner_N)


@pytest.mark.parametrize("voter", EVERY, ids=repr)
def test_one_candidate_wins_with_certainty(sets, voter):
    x, y, queries = sets
    voter.fit(x, y)
    only = torch.arange(QUERIES) % CLASSES
    decision = voter.vote(queries, torch.nn.functional.one_hot(only, CLASSES).bool())
    assert torch.equal(decision.winner_N, only)
    p_NC = voter.probabilities(decision.scores_NC)
    torch.testing.assert_close(p_NC, torch.nn.functional.one_hot(only, CLASSES).float())


@pytest.mark.parametrize("voter", EVERY, ids=repr)
def test_cutting_into_chunks_changes_nothing(sets, voter, monkeypatch):
    x, y, queries = sets
    voter.fit(x, y)
    candidates = mask(listed_classes(4))
    whole = voter.vote(queries, candidates)
    monkeypatch.setattr(
        "calm_pl.voters.base.clip_chunks", lambda n, _: [slice(i, i + 7) for i in range(0, n, 7)]
    )
    parts = voter.vote(queries, candidates)
    assert torch.equal(whole.scores_NC, parts.scores_NC)
    assert torch.equal(whole.winner_N, parts.winner_N)


def test_a_vote_without_any_weight_left_stays_among_the_candidates():
    # Each candidate's only head is sure of the other one: both scores are 0, yet class 0 is no candidate.
    x = np.zeros((3, 2, 3), dtype=np.float32)
    x[:, 0] = np.eye(3)
    x[:, 1] = np.eye(3)[[0, 2, 1]]
    voter = Calm(0.001, top_k=1).fit(x, [0, 1, 2])
    voter.weights_ = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    query = np.stack([[x[2, 0], x[1, 1]]])  # head 0 says class 2, head 1 says class 1
    candidates = torch.tensor([[False, True, True]])
    decision = voter.vote(query, candidates)
    assert decision.scores_NC.tolist() == [[0, 1, 1]]  # the same for each candidate
    assert decision.winner_N.item() in (1, 2)
