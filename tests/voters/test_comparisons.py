import builtins

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from test_calm_auto import same_classes
from test_sums_over_ranks import Ranks

from calm_pl.voters import Sav, gather_support
from calm_pl.voters.comparisons import CLASSIFIERS, Comparison

X, Y, QUERIES, TRUTH = same_classes(0, (8, 8, 8), 40, noise=0.8)
LABELS = np.array(["cat", "dog", "rain"])


@pytest.mark.parametrize("features", ["heads", "best_head"])
@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_each_learns_three_directions(classifier, features):
    fitted = Comparison(classifier, features).fit(X, LABELS[Y])
    assert fitted.classes_.tolist() == LABELS.tolist()
    assert fitted.score(QUERIES, LABELS[TRUTH]) > (0.9 if features == "heads" else 0.6)
    p = fitted.predict_proba(QUERIES)
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-6)
    assert (LABELS[p.argmax(1)] == fitted.predict(QUERIES)).mean() > 0.95  # k-NN has ties


def test_logistic_regression_is_scikit_learns_on_unit_heads():
    rows = [x / np.linalg.norm(x, axis=-1, keepdims=True) * 2 for x in (X, QUERIES)]
    model = LogisticRegression(max_iter=1000).fit(rows[0].reshape(len(X), -1), Y)
    expected = model.predict_proba(rows[1].reshape(len(QUERIES), -1))
    found = Comparison("logistic_regression").fit(torch.from_numpy(X), Y).predict_proba(QUERIES)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_the_cache_of_tip_adapter_by_loops():
    found = Comparison("tip_adapter").fit(X, Y).predict_proba(QUERIES)
    rows = [x / np.linalg.norm(x, axis=-1, keepdims=True) for x in (X, QUERIES)]
    heads = X.shape[1]
    for query, p in zip(rows[1], found, strict=True):
        scores = np.zeros(3)
        for clip, label in zip(rows[0], Y, strict=True):
            cosine = sum(float(clip[h] @ query[h]) for h in range(heads)) / heads
            scores[label] += np.exp(-5.5 * (1 - cosine))
        np.testing.assert_allclose(p, scores / scores.sum(), rtol=1e-5)


def test_the_best_head_is_that_of_savs():
    fitted = Comparison("nearest_centroid", "best_head").fit(X, Y)
    assert fitted.heads_ == Sav(top_k=1).fit(X, Y).heads_.tolist()


def test_fewer_clips_than_neighbours():
    assert Comparison("knn").fit(X[::8], Y[::8]).predict(QUERIES).shape == (len(QUERIES),)


@pytest.mark.parametrize("options", [{"classifier": "svm"}, {"features": "worst"}])
def test_unknown_names_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        Comparison(**options)


def test_without_scikit_learn_it_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("sklearn"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"calm_pl\[compare\]"):
        Comparison("knn").fit(X, Y)


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_the_order_of_clips_and_their_ranks_do_not_show(classifier):
    whole = Comparison(classifier).fit(X, Y).predict_proba(QUERIES)
    order = np.random.default_rng(3).permutation(len(X))
    np.testing.assert_array_equal(
        Comparison(classifier).fit(X[order], Y[order]).predict_proba(QUERIES), whole
    )
    split = (order[:5], order[5:11], order[11:])
    ranks = Ranks(len(split))

    def fit(rank, all_reduce):
        rows = split[rank]
        support = gather_support(X[rows], Y[rows], (0, 1, 2), all_reduce, rank, len(split))
        return Comparison(classifier).fit_support(support).predict_proba(QUERIES)

    for found in ranks.run(fit):
        np.testing.assert_array_equal(found, whole)


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_only_candidates_are_answered(classifier):
    fitted = Comparison(classifier).fit(X, Y)
    candidates_NC = torch.ones(len(QUERIES), 3, dtype=torch.bool)
    candidates_NC[:, 1] = False
    decision = fitted.vote(torch.from_numpy(QUERIES), candidates_NC)
    p_NC = fitted.probabilities(decision.scores_NC)
    assert not (decision.winner_N == 1).any()
    assert not p_NC[:, 1].any()
    torch.testing.assert_close(p_NC.sum(1), torch.ones(len(QUERIES)))


def test_too_many_values_are_refused(monkeypatch):
    monkeypatch.setattr("calm_pl.voters.comparisons.MAX_FEATURES", X.size - 1)
    with pytest.raises(ValueError, match="use fewer clips per class"):
        Comparison("knn").fit(X, Y)


@pytest.mark.parametrize("classifier", ["nearest_centroid", "logistic_regression", "knn"])
def test_one_clip_a_class(classifier):
    x, y = X[[0, 1, 2]], np.arange(3)
    fitted = Comparison(classifier).fit(x, y)
    p = fitted.predict_proba(torch.from_numpy(X))
    assert torch.isfinite(p).all()
    torch.testing.assert_close(p.sum(1), torch.ones(len(X), dtype=p.dtype))
    if classifier == "nearest_centroid":
        u = X / np.linalg.norm(X, axis=-1, keepdims=True)
        distance = np.square(u[:, None] - u[None, :3]).sum((-1, -2))
        assert fitted.predict(X).tolist() == distance.argmin(1).tolist()
        assert p.argmax(1).tolist() == distance.argmin(1).tolist()


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_many_classes_at_one_shot_are_no_regression(classifier):
    # scikit-learn would warn, and warnings are errors here.
    model = Comparison(classifier=classifier).fit(torch.eye(30)[:, None], list(range(30)))
    assert model.predict_proba(torch.eye(30)[:, None]).shape == (30, 30)
