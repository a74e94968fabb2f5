import dataclasses
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from head_vectors import noisy_clips
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.metrics import accuracy_score

from calm_pl.validation import at_least, setting
from calm_pl.voters import Calm, CalmGlobal, HeadVoter, Sav, SavSettings
from calm_pl.voters.base import Decision

VOTERS = [
    Sav(top_k=3, score="dot"),
    CalmGlobal(tau_p=0.1, weight_map="power"),
    Calm(tau_p=0.1, tau_w=0.2, top_k=3, reliability="brier", shrinkage=1.5, reliability_split="loo"),
]
each_voter = pytest.mark.parametrize("voter", VOTERS, ids=repr)


def fitted(voter):
    return clone(voter).fit(*noisy_clips(0, (4, 3, 5)))


QUERIES, TRUTH = noisy_clips(1, (5, 5, 5), noise=1.2)


@each_voter
def test_fit_returns_the_voter(voter):
    fresh = clone(voter)
    assert fresh.fit(*noisy_clips(0, (4, 3, 5))) is fresh


@each_voter
def test_parameters_make_an_equal_voter(voter):
    again = type(voter)(**voter.get_params())
    assert again.get_params() == voter.get_params(deep=False)
    assert repr(again) == repr(voter)


def test_repr_is_the_call_that_makes_the_voter():
    assert repr(Sav(top_k=None, score="dot")) == "Sav(top_k=None, score='dot')"
    assert repr(Calm(top_k=3, reliability_split="loo")) == (
        "Calm(tau_p=0.03, tau_w=0.5, top_k=3, score='cosine', reliability='margin_clamped',"
        " weight_map='softmax', shrinkage=0.0, reliability_split='loo', select='none',"
        " sharpness=1.0)"
    )
    assert repr(CalmGlobal()).startswith("CalmGlobal(tau_p=0.03, ")


@each_voter
def test_clone_keeps_parameters_and_forgets_the_fit(voter):
    copy = clone(fitted(voter))
    assert type(copy) is type(voter)
    assert copy.get_params() == voter.get_params()
    assert not hasattr(copy, "weights_")


@each_voter
def test_set_params_changes_what_is_named_and_returns_the_voter(voter):
    fresh = clone(voter)
    expected = {**fresh.get_params(), "top_k": 2, "score": "cosine"}
    assert fresh.set_params(top_k=2, score="cosine") is fresh
    assert fresh.get_params() == expected
    assert int((torch.atleast_2d(fresh.fit(*noisy_clips(0, (4, 3, 5))).weights_) > 0).sum(-1).max()) <= 2


@each_voter
def test_set_params_takes_effect_at_the_next_fit(voter):
    voter = fitted(voter)
    before = voter.decision_function(QUERIES)
    changed = {"top_k": 1, "score": "dot" if voter.get_params()["score"] == "cosine" else "cosine"}
    if not isinstance(voter, Sav):
        changed["tau_p"] = 2.0
    voter.set_params(**changed)
    np.testing.assert_array_equal(voter.decision_function(QUERIES), before)
    voter.fit(*noisy_clips(0, (4, 3, 5)))
    assert not np.array_equal(voter.decision_function(QUERIES), before)


@each_voter
def test_a_wrong_parameter_is_refused_by_the_next_fit_which_leaves_the_last_one(voter):
    voter = fitted(voter)
    before = voter.decision_function(QUERIES)
    for wrong in (lambda: voter.set_params(top_k=0), lambda: setattr(voter, "top_k", 1.5)):
        wrong()
        with pytest.raises(ValueError, match=r"`top_k` to be (1 or more,|a whole number) or None, but got"):
            voter.fit(*noisy_clips(0, (4, 3, 5)))
        np.testing.assert_array_equal(voter.decision_function(QUERIES), before)
    with pytest.raises(ValueError, match="top_k"):
        type(voter)(top_k=0)


@each_voter
def test_parameters_are_attributes(voter):
    fresh = clone(voter)
    for name, value in fresh.get_params().items():
        if name != "score":
            assert getattr(fresh, name) == value
    fresh.top_k = 1
    assert fresh.get_params()["top_k"] == 1
    assert (torch.atleast_2d(fresh.fit(*noisy_clips(0, (4, 3, 5))).weights_) > 0).sum(-1).max() == 1
    voter = fitted(CalmGlobal(tau_p=0.1))
    before = voter.decision_function(QUERIES)
    voter.tau_p = 2.0
    np.testing.assert_array_equal(voter.decision_function(QUERIES), before)
    voter.fit(*noisy_clips(0, (4, 3, 5)))
    np.testing.assert_array_equal(
        voter.decision_function(QUERIES), fitted(CalmGlobal(tau_p=2.0)).decision_function(QUERIES)
    )


@each_voter
def test_score_is_a_method_when_read_and_a_parameter_when_assigned(voter):
    voter = fitted(voter)
    assert 0 < voter.score(QUERIES, TRUTH) < 1
    voter.score = "dot"
    assert voter.get_params()["score"] == "dot"
    voter.fit(*noisy_clips(0, (4, 3, 5)))
    assert voter.fitted_params()["score"] == "dot"
    assert 0 < voter.score(QUERIES, TRUTH) < 1


def test_voters_are_equal_to_themselves_alone():
    assert len({Sav(), Sav()}) == 2


@each_voter
@pytest.mark.parametrize("kind", ["numpy", "tensor"])
def test_numpy_gives_numpy_and_tensors_give_tensors(voter, kind):
    queries = QUERIES if kind == "numpy" else torch.from_numpy(QUERIES)
    voter = fitted(voter)
    expected = np.ndarray if kind == "numpy" else torch.Tensor
    assert type(voter.predict_proba(queries)) is expected
    assert type(voter.decision_function(queries)) is expected
    assert type(voter.predict(queries)) is np.ndarray
    assert type(voter.score(queries, TRUTH)) is float


@each_voter
def test_numpy_and_tensors_give_the_same_numbers(voter):
    voter = fitted(voter)
    expected = voter.decision_function(torch.from_numpy(QUERIES))
    np.testing.assert_array_equal(voter.decision_function(QUERIES), expected)


@each_voter
@settings(deadline=None, derandomize=True, max_examples=25)
@given(seed=st.integers(0, 10_000))
def test_probabilities_are_nonnegative_and_sum_to_one(voter, seed):
    p = clone(voter).fit(*noisy_clips(seed, (3, 2, 4, 2))).predict_proba(QUERIES)
    assert p.shape == (15, 4)
    assert (p >= 0).all()
    np.testing.assert_allclose(p.sum(1), 1, rtol=0, atol=1e-6)


@each_voter
def test_prediction_score_and_probability_agree(voter):
    voter = fitted(voter)
    scores = voter.decision_function(QUERIES)
    predicted = voter.predict(QUERIES)
    assert scores.shape == (15, 3)
    assert scores.dtype == np.float32
    assert voter.score(QUERIES, TRUTH) == accuracy_score(TRUTH, predicted)
    assert 0.3 < voter.score(QUERIES, TRUTH) < 1
    # The winner has the highest score (for Sav, one of the highest).
    column = voter.classes_.searchsorted(predicted)
    np.testing.assert_array_equal(scores[np.arange(15), column], scores.max(1))
    np.testing.assert_allclose(voter.predict_proba(QUERIES), scores / scores.sum(1, keepdims=True), rtol=1e-5)


def test_scores_of_sav_are_vote_counts():
    counts = fitted(Sav(top_k=5)).decision_function(QUERIES)
    assert set(counts.flatten().tolist()) <= {0.0, 1.0, 2.0, 3.0, 4.0, 5.0}
    assert counts.sum(1).tolist() == [5.0] * 15


def test_scores_of_calm_global_are_probabilities_already():
    voter = fitted(CalmGlobal())
    np.testing.assert_allclose(voter.predict_proba(QUERIES), voter.decision_function(QUERIES), rtol=1e-5)


@each_voter
def test_fitting_again_forgets_the_first_fit(voter):
    other = noisy_clips(7, (2, 3), heads=5, dim=3)
    queries, _ = noisy_clips(8, (2, 2), heads=5, dim=3)
    found = fitted(voter).fit(*other).decision_function(queries)
    np.testing.assert_array_equal(found, clone(voter).fit(*other).decision_function(queries))


@each_voter
def test_reversed_arrays_are_arrays_too(voter):
    x, y = noisy_clips(0, (4, 3, 5))
    expected = fitted(voter).decision_function(QUERIES)[::-1]
    found = clone(voter).fit(x[::-1], y[::-1]).decision_function(QUERIES[::-1])
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.fixture
def every_torch_warning():
    before = torch.is_warn_always_enabled()
    torch.set_warn_always(True)  # it tells some things only once a process
    yield
    torch.set_warn_always(before)


@pytest.mark.usefixtures("every_torch_warning")
def test_read_only_arrays_raise_no_warning():
    # As a memory-mapped file gives them.
    x, y = noisy_clips(0, (4, 3, 5))
    x.flags.writeable = False
    assert Sav().fit(x, y).predict(x).shape == (12,)


@each_voter
def test_fitted_state_moves_to_another_voter(voter):
    voter = fitted(voter)
    other = clone(voter).load_fitted_state(voter.classes_.tolist(), voter.centroids_, voter.fitted_state())
    np.testing.assert_array_equal(other.decision_function(QUERIES), voter.decision_function(QUERIES))
    assert other.predict(QUERIES).tolist() == voter.predict(QUERIES).tolist()


@dataclass
class MostSettings(SavSettings):
    most: int = setting(2, at_least(1))


class MostHeads(Sav, MostSettings):
    """A voter of a user's own, with a parameter more."""

    def _fit_heads(self, support, heldout):
        self.fitted_params_.top_k = min(self.top_k or self.most, self.most)
        super()._fit_heads(support, heldout)


def test_a_voter_of_ones_own_has_its_own_parameters():
    voter = clone(MostHeads(top_k=4, most=3))
    assert repr(voter) == "MostHeads(top_k=4, score='cosine', most=3)"
    fitted_one = voter.fit(*noisy_clips(0, (4, 3, 5)))
    assert len(fitted_one.heads_) == 3
    assert fitted_one.fitted_params() == {"top_k": 3, "score": "cosine", "most": 3}
    assert fitted_one.get_params() == {"top_k": 4, "score": "cosine", "most": 3}
    with pytest.raises(ValueError, match="`most` to be 1 or more, but got 0"):
        MostHeads(most=0)


class Constant(HeadVoter):
    """A voter without parameters."""

    def _fit_heads(self, support, heldout):
        pass

    def decide_vectors(self, x_NHD, candidates_NC=None):
        scores_NC = torch.zeros(len(x_NHD), len(self.classes_))
        return Decision(scores_NC, scores_NC.argmax(-1))

    def probabilities(self, scores_NC):
        return torch.softmax(scores_NC, -1)


def test_a_voter_needs_no_parameters():
    voter = clone(Constant()).fit(*noisy_clips(0, (4, 3, 5)))
    assert (repr(voter), voter.get_params(), voter.fitted_params(), voter.fitted_state()) == (
        "Constant()",
        {},
        {},
        {},
    )
    assert voter.predict(QUERIES).tolist() == [0] * 15


@pytest.mark.parametrize("base", [Constant, Sav])
def test_parameters_that_stand_in_a_constructor_alone_are_refused(base):
    """They would be lost by clones, in stored classifiers and in sweeps."""

    def init(self, size=3):
        self.size = size

    with pytest.raises(TypeError, match=r"`Mine.__init__` to take .*, but it takes \['size'\]"):
        type("Mine", (base,), {"__init__": init})


def test_parameters_beside_those_of_a_voter_are_refused():
    Odd = dataclasses.make_dataclass("Odd", [("most", int, 3)], bases=(Sav,))
    with pytest.raises(TypeError, match="Odd to declare its parameters in a `VoterSettings`"):
        Odd()
