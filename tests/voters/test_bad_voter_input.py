import numpy as np
import pytest
import torch
from head_vectors import noisy_clips

from calm_pl.voters import Calm, CalmGlobal, Sav, gather_support
from calm_pl.voters.many import vote_many

each_voter = pytest.mark.parametrize("voter", [Sav, CalmGlobal, Calm])


def good():
    return noisy_clips(0, (2, 2))


@each_voter
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_name_the_clip(voter, bad):
    x, y = good()
    x[2, 1, 0] = bad
    with pytest.raises(ValueError, match="clip 2 of 4 contains NaN or infinity"):
        voter().fit(x, y)
    x, y = good()
    fitted = voter().fit(x, y)
    x[1, 0, 0] = bad
    with pytest.raises(ValueError, match="clip 1 of 4 contains NaN or infinity"):
        fitted.predict(x)


def test_infinities_that_cancel_are_found():
    x, y = good()
    x[3, 0, :2] = np.inf, -np.inf
    with pytest.raises(ValueError, match="clip 3 of 4"):
        Sav().fit(x, y)


def test_large_finite_values_are_fine():
    # Their sum is beyond fp16, 65504, but each value is not.
    x = torch.full((2, 3, 4), 60_000.0, dtype=torch.float16) * torch.tensor([1, -1])[:, None, None]
    assert Sav().fit(x, [0, 1]).predict(x).tolist() == [0, 1]


@each_voter
def test_one_clip_among_many_chunks_is_named(voter, monkeypatch):
    monkeypatch.setattr("calm_pl.functional.chunks.MAX_BLOCK", 50)  # two clips a chunk
    x, y = noisy_clips(0, (4, 4))
    x[5, 2, 1] = np.nan
    with pytest.raises(ValueError, match="clip 5 of 8 contains NaN or infinity"):
        voter().fit(x, y)


@each_voter
@pytest.mark.parametrize("value", [1e300, -2e15])
def test_vectors_whose_scores_float32_cannot_hold_name_the_clip(voter, value):
    x, y = good()
    x[2, 1, 0] = value
    with pytest.raises(
        ValueError, match=f"up to 1e.15, but clip 2 of 4 contains {abs(value):g}".replace("+", ".")
    ):
        voter(score="dot").fit(x, y)


@each_voter
def test_the_largest_vectors_have_finite_scores(voter):
    x, y = good()
    fitted = voter(score="dot").fit(1e15 * x / np.abs(x).max(), y)
    assert np.isfinite(fitted.decision_function(1e15 * np.sign(x))).all()
    assert np.isfinite(fitted.predict_proba(1e15 * np.sign(x))).all()


@pytest.mark.parametrize("voter", [CalmGlobal, Calm])
def test_scores_of_a_damaged_state_name_the_clip(voter):
    fitted = voter().fit(*good())
    fitted.weights_ = fitted.weights_ * float("nan")
    x, _ = good()
    for ask in (fitted.predict, fitted.predict_proba, lambda queries: vote_many([fitted], queries)):
        with pytest.raises(ValueError, match="finite scores, but those of clip 0 of 4 are not"):
            ask(x)


@each_voter
@pytest.mark.parametrize("shape", [(4,), (4, 0), (4, 3, 2, 1), (4, 0, 2), (4, 3, 0)])
def test_wrong_shapes_are_named(voter, shape):
    with pytest.raises(ValueError, match=r"shape \(N, H, D\) .*, or \(N, F\) for one head, but got \(4,"):
        voter().fit(np.zeros(shape), [0, 0, 1, 1])


@each_voter
@pytest.mark.parametrize(
    ("vectors", "got"),
    [
        (torch.zeros(4, 2, 2, dtype=torch.int64), "torch.int64"),
        (np.zeros((4, 2, 2), dtype=np.int32), "torch.int32"),
        (torch.zeros(4, 2, 2, dtype=torch.bool), "torch.bool"),
        (torch.zeros(4, 2, 2, dtype=torch.complex64), "torch.complex64"),
        ([[[1]]], "torch.int64"),
        ("abcd", "str"),
        (None, "NoneType"),
    ],
)
def test_vectors_that_are_not_floating_are_named(voter, vectors, got):
    with pytest.raises(TypeError, match=f"floating tensor or array of shape .* but got {got}"):
        voter().fit(vectors, [0, 0, 1, 1])


@each_voter
@pytest.mark.parametrize(("shape", "got"), [((3, 5, 4), "3, 5, 4"), ((3, 6, 5), "3, 6, 5")])
def test_queries_of_other_heads_or_dimension(voter, shape, got):
    with pytest.raises(ValueError, match=rf"shape \(N, 6, 4\), but got \({got}\)"):
        voter().fit(*good()).predict(np.zeros(shape))


@each_voter
@pytest.mark.parametrize("count", [0, 3, 5])
def test_one_label_a_clip(voter, count):
    x, _ = good()
    with pytest.raises(ValueError, match=f"one label for each of 4 clips, but got {count} labels"):
        voter().fit(x, [0, 1, 0, 1, 0][:count])
    with pytest.raises(ValueError, match=f"one label for each of 4 clips, but got {count} labels"):
        voter().fit(*good()).score(x, [0, 1, 0, 1, 0][:count])


@each_voter
@pytest.mark.parametrize("labels", [None, "aabb", b"aabb"])
def test_a_text_is_no_list_of_labels(voter, labels):
    x, _ = good()
    with pytest.raises(ValueError, match=f"one label for each of 4 clips, but got {labels!r}"):
        voter().fit(x, labels)


@each_voter
def test_one_class_is_too_few(voter):
    x, _ = good()
    with pytest.raises(ValueError, match=r"at least 2 classes, but got 1 class: \('dog',\)"):
        voter().fit(x, ["dog"] * 4)


@each_voter
def test_no_clip_is_too_few(voter):
    with pytest.raises(ValueError, match="at least 2 classes, but got 0"):
        voter().fit(np.zeros((0, 2, 2)), [])


def test_a_named_class_without_clips():
    x, y = good()
    with pytest.raises(ValueError, match=r"at least one support clip for each class, but got none for \[2\]"):
        gather_support(x, y, classes=[0, 1, 2])


def test_a_label_outside_the_named_classes():
    x, y = good()
    with pytest.raises(ValueError, match=r"among the 2 classes, but got \(1,\)"):
        gather_support(x, y, classes=[0, 7])


@each_voter
@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function", "vote"])
def test_not_fitted(voter, method):
    x, _ = good()
    with pytest.raises(ValueError, match=f"This {voter.__name__} is not fitted yet; call `fit` first"):
        getattr(voter(), method)(x)


@each_voter
def test_not_fitted_has_neither_score_nor_state(voter):
    with pytest.raises(ValueError, match="not fitted yet"):
        voter().score(*good())
    with pytest.raises(ValueError, match="not fitted yet"):
        voter().fitted_state()


@each_voter
def test_nothing_to_score(voter):
    with pytest.raises(ValueError, match="at least one clip to score, but got none"):
        voter().fit(*good()).score(np.zeros((0, 6, 4)), [])


@pytest.mark.parametrize("voter", [CalmGlobal, Calm])
def test_held_out_clips_are_given_exactly_when_asked_for(voter):
    with pytest.raises(
        ValueError, match=r"Expected `heldout` clips if and only if .* is 'heldout' and .* got none"
    ):
        voter(reliability_split="heldout").fit(*good())
    for split in ("support", "loo"):
        with pytest.raises(ValueError, match=f"Expected `heldout` clips .* is '{split}' and `fit` got some"):
            voter(reliability_split=split).fit(*good(), heldout=good())


@each_voter
def test_unusable_held_out_clips(voter):
    voter = voter() if voter is Sav else voter(reliability_split="heldout")
    x, y = good()
    with pytest.raises(ValueError, match=r"among the 2 classes, but got \(9,\)"):
        voter.fit(x, y, heldout=(x, [0, 1, 0, 9]))
    with pytest.raises(ValueError, match=r"heads and dimension, \(6, 4\), but got \(5, 4\)"):
        voter.fit(x, y, heldout=(x[:, :5], y))
    with pytest.raises(ValueError, match="one label for each of 4 clips, but got 3"):
        voter.fit(x, y, heldout=(x, y[:3]))
    with pytest.raises(ValueError, match="clip 0 of 4 contains NaN"):
        voter.fit(x, y, heldout=(x * np.nan, y))


@pytest.mark.parametrize("voter", [CalmGlobal, Calm])
def test_a_refused_fit_leaves_the_last_one(voter):
    x, y = good()
    fitted = voter().fit(x, y)
    before = fitted.decision_function(x)
    fitted.set_params(reliability_split="heldout")
    with pytest.raises(ValueError, match="`heldout` clips"):
        fitted.fit(-x, y)
    np.testing.assert_array_equal(fitted.decision_function(x), before)


@each_voter
@pytest.mark.parametrize("value", [0, -1, 1.5, "all", True])
def test_top_k_is_a_positive_integer_or_none(voter, value):
    with pytest.raises(ValueError, match=r"`top_k` to be (1 or more,|a whole number) or None, but got"):
        voter(top_k=value)


@pytest.mark.parametrize("voter", [CalmGlobal, Calm])
@pytest.mark.parametrize("name", ["tau_p", "tau_w"])
@pytest.mark.parametrize("value", [0, -0.1, float("nan"), float("inf"), "0.5", None, True])
def test_temperatures_are_above_zero(voter, name, value):
    with pytest.raises(ValueError, match=f"`{name}` to be a (finite number above 0|number), but got"):
        voter(**{name: value})


@pytest.mark.parametrize("voter", [CalmGlobal, Calm])
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), "1", None])
def test_shrinkage_is_not_negative(voter, value):
    with pytest.raises(ValueError, match=r"`shrinkage` to be a (finite number, 0 or more|number), but got"):
        voter(shrinkage=value)


@pytest.mark.parametrize("voter", [CalmGlobal, Calm])
@pytest.mark.parametrize("name", ["score", "reliability", "weight_map", "reliability_split"])
@pytest.mark.parametrize("value", ["other", "", None])
def test_choices_are_named(voter, name, value):
    with pytest.raises(ValueError, match=rf"`{name}` to be (one of \w+, .*|a string), but got {value!r}"):
        voter(**{name: value})


def test_choices_of_sav():
    with pytest.raises(ValueError, match="`score` to be one of cosine, dot, but got 'euclid'"):
        Sav(score="euclid")


@each_voter
def test_unknown_parameters(voter):
    with pytest.raises(ValueError, match=r"Expected parameters among .*, but got \['colour'\]"):
        voter().set_params(colour=1)
