import itertools

import numpy as np
import pytest
import reference_loops as loops
from head_vectors import noisy_clips

from calm_pl.voters import Sav


@pytest.mark.parametrize(
    ("score", "top_k", "with_heldout", "seed"),
    list(itertools.product(("cosine", "dot"), (None, 1, 4, 20), (False, True), (0, 1))),
)
def test_matches_the_loops(score, top_k, with_heldout, seed):
    x, y = noisy_clips(seed, (5, 4, 3))
    queries, _ = noisy_clips(seed + 100, (7, 7, 7), noise=2)
    heldout = noisy_clips(seed + 200, (2, 3, 4))
    judged_x, judged_y = heldout if with_heldout else (x, y)

    centroids = loops.centroid_table(x.tolist(), y.tolist(), 3)
    accuracies = loops.sav_accuracies(judged_x.tolist(), judged_y.tolist(), centroids, score)
    heads = loops.ranked_heads(accuracies)[: top_k or 6]
    expected = [loops.sav_vote(clip, centroids, heads, score) for clip in queries.tolist()]

    voter = Sav(top_k, score).fit(x, y, heldout=heldout if with_heldout else None)
    np.testing.assert_allclose(voter.reliability_, accuracies, rtol=1e-6)
    assert voter.heads_.tolist() == heads
    assert voter.decision_function(queries).tolist() == [counts for counts, _ in expected]
    assert voter.predict(queries).tolist() == [winner for _, winner in expected]
    np.testing.assert_allclose(
        voter.weights_, [1 / len(heads) if h in heads else 0 for h in range(6)], rtol=1e-6
    )


def test_the_loops_saw_equal_heads_and_equal_counts():
    # Otherwise the test above would prove nothing about ties.
    x, y = noisy_clips(0, (5, 4, 3))
    queries, _ = noisy_clips(100, (7, 7, 7), noise=2)
    centroids = loops.centroid_table(x.tolist(), y.tolist(), 3)
    accuracies = loops.sav_accuracies(x.tolist(), y.tolist(), centroids, "cosine")
    heads = loops.ranked_heads(accuracies)[:4]
    tops = [loops.sav_vote(clip, centroids, heads, "cosine")[0] for clip in queries.tolist()]
    assert len(set(accuracies)) < len(accuracies)
    assert any(counts.count(max(counts)) > 1 for counts in tops)


def test_twenty_heads_by_default():
    x, y = noisy_clips(0, (3, 3), heads=30)
    assert Sav().fit(x, y).heads_.shape == (20,)
    assert Sav().get_params() == {"top_k": 20, "score": "cosine"}
