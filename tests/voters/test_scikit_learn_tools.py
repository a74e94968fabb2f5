"""scikit-learn's own tools and checks on voters."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import REPO, outside
from head_vectors import noisy_clips
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import check_is_fitted

from calm_pl.voters import Calm, CalmAuto, CalmGlobal, Gda, Sav

VOTERS = [Sav(top_k=3), CalmGlobal(tau_p=0.1), Calm(tau_p=0.1, score="dot"), CalmAuto(), Gda()]
each_voter = pytest.mark.parametrize("voter", VOTERS, ids=lambda voter: type(voter).__name__)
X, Y = noisy_clips(0, (8, 8, 8))
FOLDS = StratifiedKFold(4)

# What scikit-learn checks and voters do otherwise, by the name of the check, with the reason.
OTHERWISE = {
    "check_fit_score_takes_y": "the arguments are called vectors and labels",
    "check_do_not_raise_errors_in_init_or_set_params": "a wrong parameter is told before hours of encoding",
    "check_n_features_in_after_fitting": "another shape is refused in terms of (N, H, D)",
    "check_estimators_dtypes": "whole numbers are no head vectors: labels given in their place",
    "check_classifier_data_not_an_array": "whole numbers, again",
    "check_complex_data": "complex vectors are refused in words of our own",
    "check_dtype_object": "objects are refused: the dtype says how far to trust a vector",
    "check_estimators_empty_data_messages": "vectors without values are refused in words of our own",
    "check_estimator_sparse_tag": "sparse vectors are refused as whatever is no array",
    "check_estimator_sparse_array": "the same",
    "check_estimator_sparse_matrix": "the same",
    "check_classifiers_regression_target": "floats are labels as good as others",
    "check_supervised_y_2d": "labels in a column are refused, rather than taken with a warning",
    "check_fit2d_predict1d": "one axis is refused in words of our own",
    "check_requires_y_none": "missing labels are refused in words of our own",
}


@pytest.mark.parametrize("voter", [Sav(), Calm(), Gda()], ids=lambda voter: type(voter).__name__)
@pytest.mark.filterwarnings("ignore:.*does not inherit from:UserWarning")  # scikit-learn is optional
def test_the_checks_of_scikit_learn(voter):
    """39 of 55 in scikit-learn 1.9, on vectors of one head; those in `OTHERWISE` must fail, and no others."""
    results = check_estimator(voter, expected_failed_checks=OTHERWISE, on_fail=None, on_skip=None)
    by_status = {
        status: {one["check_name"] for one in results if one["status"] == status}
        for status in ("passed", "failed", "xfail", "skipped")
    }
    assert by_status["failed"] == set()
    assert by_status["passed"] & set(OTHERWISE) == set()
    assert len(by_status["passed"]) > 25


@each_voter
def test_a_voter_is_a_classifier_that_knows_whether_it_is_fitted(voter):
    fresh = clone(voter)
    assert is_classifier(fresh)
    with pytest.raises(NotFittedError):
        check_is_fitted(fresh)
    with pytest.raises(NotFittedError):
        fresh.predict(X)
    assert not hasattr(fresh, "n_features_in_")
    check_is_fitted(fresh.fit(X, Y))
    assert fresh.n_features_in_ == X[0].size


@each_voter
@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor], ids=["numpy", "torch"])
def test_cross_validation_fits_and_scores_each_fold(voter, kind):
    expected = [
        clone(voter).fit(X[train], Y[train]).score(X[test], Y[test]) for train, test in FOLDS.split(X, Y)
    ]
    assert cross_val_score(voter, kind(X), Y, cv=FOLDS).tolist() == expected
    assert np.mean(cross_val_predict(voter, kind(X), Y, cv=FOLDS) == Y) == pytest.approx(np.mean(expected))


def test_a_search_over_a_pipeline_finds_the_best_setting():
    heads = FunctionTransformer(lambda x_NHD, last: x_NHD[:, :last], kw_args={"last": 6})
    grid = {
        "functiontransformer__kw_args": [{"last": 1}, {"last": 6}],
        "calm__tau_p": [0.03, 0.3],
        "calm__score": ["cosine", "dot"],
    }
    search = GridSearchCV(make_pipeline(heads, Calm()), grid, cv=FOLDS, error_score="raise").fit(X, Y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert len(set(search.cv_results_["mean_test_score"])) > 1
    assert search.best_score_ == search.cv_results_["mean_test_score"].max()
    fitted = search.best_estimator_[-1]
    assert fitted.fitted_params()["tau_p"] == search.best_params_["calm__tau_p"]
    assert fitted.fitted_params()["score"] == search.best_params_["calm__score"]
    assert search.predict(X).tolist() == search.best_estimator_.predict(X).tolist()


@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
def test_wrong_settings_of_a_search_are_failed_fits_not_results():
    grid = {"tau_p": [0.1, -1.0]}
    with pytest.warns(match="`tau_p` to be a finite number above 0, but got -1.0"):
        search = GridSearchCV(CalmGlobal(), grid, cv=FOLDS).fit(X, Y)
    assert search.best_params_ == {"tau_p": 0.1}
    assert np.isnan(search.cv_results_["mean_test_score"][1])


@each_voter
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_probabilities_are_calibrated(voter, classes, method):
    few = classes > Y
    calibrated = CalibratedClassifierCV(voter, method=method, cv=FOLDS).fit(X[few], Y[few])
    p = calibrated.predict_proba(X[few])
    assert p.shape == (8 * classes, classes)
    np.testing.assert_allclose(p.sum(1), 1)
    assert np.mean(calibrated.predict(X[few]) == Y[few]) > 0.8


@each_voter
def test_two_classes_have_one_decision_as_scikit_learn_has_it(voter):
    few = Y < 2
    names = np.array(["no", "yes"])[Y[few]]
    fitted = clone(voter).fit(X[few], names)
    scores = fitted.decision_function(X[few])
    scores_NC = fitted.vote(X[few]).scores_NC
    np.testing.assert_array_equal(scores, scores_NC[:, 1] - scores_NC[:, 0])
    assert type(fitted.decision_function(torch.from_numpy(X[few]))) is torch.Tensor
    assert cross_val_score(voter, X[few], names == "yes", cv=FOLDS, scoring="roc_auc").min() > 0.5


@each_voter
def test_a_matrix_is_one_head(voter):
    matrix = X[:, 0]
    one = clone(voter).fit(matrix, Y)
    other = clone(voter).fit(X[:, :1], Y)
    assert one.centroids_.shape == (3, 1, 4)
    np.testing.assert_array_equal(one.predict_proba(matrix), other.predict_proba(X[:, :1]))
    with pytest.raises(ValueError, match=r"shape \(N, 1, 4\), but got"):
        one.predict(X)


class Frame:
    """As data frames and arrays of other packages: something that NumPy can read."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array


@pytest.mark.parametrize("kind", [Frame, np.ndarray.tolist, lambda x: list(torch.from_numpy(x))])
def test_whatever_numpy_reads_is_an_array(kind):
    voter = Sav(top_k=3).fit(kind(X), Y)
    p = voter.predict_proba(kind(X))
    assert type(p) is np.ndarray
    np.testing.assert_array_equal(p, Sav(top_k=3).fit(X, Y).predict_proba(X))


@each_voter
def test_a_pickled_voter_predicts_the_same(voter):
    fitted = clone(voter).fit(X, Y)
    again = pickle.loads(pickle.dumps(fitted))  # noqa: S301 (our own bytes)
    assert again.get_params() == voter.get_params()
    np.testing.assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))


def test_without_scikit_learn_nothing_asks_for_it():
    code = (
        "import sys; sys.modules['sklearn'] = None\n"
        "import numpy as np\n"
        "from calm_pl import Calm\n"
        "try: Calm().predict(np.ones((2, 3, 4)))\n"
        "except ValueError as error: print(error)\n"
        "x = np.random.default_rng(0).standard_normal((4, 3, 4))\n"
        "calm = Calm(tau_p=0.1).fit(x, ['a', 'b', 'a', 'b'])\n"
        "print(calm, calm.score(x, ['a', 'b', 'a', 'b']))\n"
    )
    env = {**outside(), "PYTHONPATH": str(REPO)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("This Calm is not fitted yet; call `fit` first.\nCalm(tau_p=0.1, ")
