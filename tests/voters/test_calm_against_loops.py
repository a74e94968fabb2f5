import functools
import itertools

import numpy as np
import pytest
import reference_loops as loops
from head_vectors import noisy_clips

from calm_pl.voters import Calm, CalmGlobal

CLASSES, HEADS = 3, 6
TAU_P, TAU_W = 0.3, 0.5
COUNTS = (5, 4, 3)
X, Y = noisy_clips(28, COUNTS, HEADS)
HELDOUT = noisy_clips(29, (2, 3, 4), HEADS)
QUERIES, _ = noisy_clips(30, (3, 3, 3), HEADS)
SPLITS = ("support", "heldout", "loo")


@functools.cache
def judged(score, kind, split):
    heldout = (HELDOUT[0].tolist(), HELDOUT[1].tolist())
    return list(loops.judged_clips(X.tolist(), Y.tolist(), CLASSES, score, TAU_P, kind, split, heldout))


@functools.cache
def centroids():
    return loops.centroid_table(X.tolist(), Y.tolist(), CLASSES)


def assert_no_near_ties(rows):
    # A difference below float32 could keep other heads than the loop; an exact tie could not.
    for row in rows:
        gaps = np.diff(sorted(row))
        assert np.all((gaps == 0) | (gaps > 2e-5))


@pytest.mark.parametrize("voter", [Calm, CalmGlobal])
@pytest.mark.parametrize(
    ("score", "kind", "split"),
    list(itertools.product(("cosine", "dot"), ("margin_clamped", "margin", "prob", "brier"), SPLITS)),
)
@pytest.mark.parametrize(
    ("weight_map", "top_k", "shrinkage"),
    list(itertools.product(("softmax", "power"), (None, 1, 3), (0.0, 2.5))),
)
def test_every_combination_of_options(voter, score, kind, split, weight_map, top_k, shrinkage):
    rows = loops.reliability_rows(judged(score, kind, split), CLASSES, HEADS, voter is Calm, shrinkage)
    assert_no_near_ties(rows)
    weights = [loops.weight_row(row, top_k, TAU_W, weight_map) for row in rows]
    scores = loops.calm_scores(
        QUERIES.tolist(), centroids(), weights if voter is Calm else weights * CLASSES, score, TAU_P
    )

    found = voter(TAU_P, TAU_W, top_k, score, kind, weight_map, shrinkage, split)
    found.fit(X, Y, heldout=HELDOUT if split == "heldout" else None)

    shape = (CLASSES, HEADS) if voter is Calm else (HEADS,)
    assert found.reliability_.shape == found.weights_.shape == shape
    near = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5)
    near(found.centroids_, centroids())
    near(np.atleast_2d(found.reliability_), rows)
    near(np.atleast_2d(found.weights_), weights)
    near(found.decision_function(QUERIES), scores)
    near(found.predict_proba(QUERIES), scores / np.sum(scores, axis=1, keepdims=True))
    assert found.predict(QUERIES).tolist() == [loops.lowest_argmax(row) for row in scores]


@pytest.mark.parametrize("voter", [Calm, CalmGlobal])
@pytest.mark.parametrize("tau_p", [0.001, 0.03, 0.1, 1.0, 2.0])
@pytest.mark.parametrize("tau_w", [0.001, 0.03, 0.1, 1.0, 2.0])
def test_the_sweep_grid_of_the_paper(voter, tau_p, tau_w):
    x, y = X.tolist(), Y.tolist()
    table = loops.judged_clips(x, y, CLASSES, "cosine", tau_p, "margin_clamped", "support", None)
    rows = loops.reliability_rows(table, CLASSES, HEADS, voter is Calm, 0.0)
    found = voter(tau_p, tau_w).fit(X, Y)
    # One float32 step of a cosine is 6e-8: 6e-5 of a logit at τ_p = 0.001, and the weights multiply it
    # by 1/τ_w again. So weights are compared given the reliabilities that were found.
    np.testing.assert_allclose(np.atleast_2d(found.reliability_), rows, atol=1e-7 + 1e-7 / tau_p)
    own_rows = np.atleast_2d(found.reliability_).astype(np.float64).tolist()
    weights = [loops.weight_row(row, None, tau_w, "softmax") for row in own_rows]
    np.testing.assert_allclose(np.atleast_2d(found.weights_), weights, rtol=1e-5, atol=1e-7)
    scores = loops.calm_scores(
        QUERIES.tolist(), centroids(), weights if voter is Calm else weights * CLASSES, "cosine", tau_p
    )
    np.testing.assert_allclose(found.decision_function(QUERIES), scores, atol=1e-6 + 1e-7 / tau_p)


def test_defaults_are_those_of_the_paper():
    expected = {
        "tau_p": 0.03,
        "tau_w": 0.5,
        "top_k": None,
        "score": "cosine",
        "reliability": "margin_clamped",
        "weight_map": "softmax",
        "shrinkage": 0.0,
        "reliability_split": "support",
        "select": "none",
        "sharpness": 1.0,
    }
    assert Calm().get_params() == CalmGlobal().get_params() == expected
