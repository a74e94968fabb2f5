import itertools

import numpy as np
import pytest
import torch
from head_vectors import noisy_clips
from hypothesis import given, settings
from hypothesis import strategies as st

from calm_pl.voters import Calm, CalmGlobal, Sav, gather_support

each_voter = pytest.mark.parametrize("voter", [Sav(), CalmGlobal(), Calm()], ids=repr)

LABELS = {
    "strings": ["rain", "dog", "cat"],
    "integers": [7, -2, 10],
    "floats": [0.5, -1.5, 2.0],
    "booleans and text": [True, False, ""],
    "tuples": [("b", 1), ("a", 2), ("a", 1)],
    "tuples of other lengths": [(1,), (1, 2), ()],
    "mixed": ["dog", 3, ("x", 1)],
    "frozen sets": [frozenset("ab"), frozenset("a"), frozenset("c")],
    "bytes": [b"b", b"a", b"c"],
}


def three_clips():
    x, y = noisy_clips(0, (1, 1, 1))
    return x[np.argsort(y)]


@each_voter
@pytest.mark.parametrize("kind", LABELS)
def test_any_hashable_label_comes_back(voter, kind):
    labels = LABELS[kind]
    voter.fit(three_clips(), labels)
    assert set(voter.classes_.tolist()) == set(labels)
    predicted = voter.predict(three_clips()).tolist()
    assert predicted == labels
    assert [type(label) for label in predicted] == [type(label) for label in labels]
    assert voter.score(three_clips(), labels) == 1.0


@pytest.mark.parametrize("kind", LABELS)
def test_class_order_is_not_that_of_first_appearance(kind):
    x = three_clips()
    orders = {
        tuple(Sav().fit(x[list(order)], [LABELS[kind][n] for n in order]).classes_.tolist())
        for order in itertools.permutations(range(3))
    }
    assert len(orders) == 1


def test_labels_that_only_partly_compare_have_an_order_of_their_own():
    # {0} < {14} and {14} < {0} are both false, so sorting leaves frozen sets as they come out of a set,
    # which depends on what went in first.
    x, _ = noisy_clips(1, (2,))
    labels = [frozenset([n]) for n in range(20)]
    for pair in itertools.combinations(labels, 2):
        one = gather_support(x, pair).classes
        other = gather_support(x[::-1].copy(), pair[::-1]).classes
        assert one == other


def test_sorted_where_labels_have_an_order():
    x = three_clips()
    assert Sav().fit(x, LABELS["strings"]).classes_.tolist() == ["cat", "dog", "rain"]
    assert Sav().fit(x, LABELS["integers"]).classes_.tolist() == [-2, 7, 10]
    assert Sav().fit(x, LABELS["tuples"]).classes_.tolist() == [("a", 1), ("a", 2), ("b", 1)]


@settings(deadline=None, derandomize=True, max_examples=25)
@given(
    labels=st.lists(st.one_of(st.integers(), st.text(max_size=3)), min_size=2, max_size=6, unique=True),
    data=st.data(),
)
def test_mixed_labels_have_one_order(labels, data):
    x, _ = noisy_clips(2, (len(labels),))
    shuffled = data.draw(st.permutations(labels))
    assert gather_support(x, labels).classes == gather_support(x, shuffled).classes


@pytest.mark.parametrize("container", [list, tuple, np.array, torch.tensor])
def test_labels_come_in_any_container(container):
    voter = Sav().fit(three_clips(), container([2, 0, 1]))
    assert voter.predict(three_clips()).tolist() == [2, 0, 1]
    assert voter.score(three_clips(), container([2, 0, 0])) == pytest.approx(2 / 3)


def test_an_explicit_class_order_is_kept():
    order = ["rain", "cat", "dog"]
    support = gather_support(three_clips(), ["cat", "dog", "rain"], classes=order)
    assert support.classes == tuple(order)
    voter = Calm().fit_support(support)
    assert voter.classes_.tolist() == order
    np.testing.assert_allclose(voter.centroids_[1], three_clips()[0], rtol=1e-6)
    assert voter.predict_proba(three_clips()).argmax(1).tolist() == [1, 2, 0]


def test_an_explicit_order_settles_ties():
    # Both classes hold the same clip: the first one in the given order wins.
    x = np.ones((2, 1, 2))
    for order in (["a", "b"], ["b", "a"]):
        voter = Calm().fit_support(gather_support(x, ["a", "b"], classes=order))
        assert voter.predict(x).tolist() == [order[0]] * 2


def test_a_truth_outside_the_classes_counts_as_wrong():
    voter = Sav().fit(three_clips(), ["a", "b", "c"])
    assert voter.score(three_clips(), ["a", "b", "zebra"]) == pytest.approx(2 / 3)


# Containers, dtypes, and labels that are missing


@pytest.mark.parametrize(
    "scalar",
    [torch.tensor, np.int64, lambda label: np.array(label), lambda label: torch.tensor(label)[()]],
    ids=["0-d tensors", "NumPy integers", "0-d arrays", "elements of tensors"],
)
def test_scalars_of_torch_and_numpy_are_numbers(scalar):
    """As objects each clip would be a class of its own."""
    x, _ = noisy_clips(0, (1, 1, 1))
    labels = [scalar(label) for label in (1, 0, 1)]
    voter = Sav().fit(x, labels)
    assert voter.classes_.tolist() == [0, 1]
    assert voter.classes_.dtype == np.int64
    assert voter.score(x, labels) == voter.score(x, [1, 0, 1])


def test_a_tensor_of_several_values_is_no_label():
    with pytest.raises(ValueError, match=r"one hashable label for each clip, but got \[1, 2\] for clip 2"):
        Sav().fit(three_clips(), [0, 1, torch.tensor([1, 2])])


@pytest.mark.parametrize("missing", [None, float("nan"), np.nan, np.float32("nan"), np.datetime64("NaT")])
def test_missing_labels_are_refused_by_position(missing):
    labels = np.array(["a", missing, "b"], dtype=object)
    with pytest.raises(ValueError, match=r"missing .None or NaN. for clip 1 of 3; remove such clips"):
        Sav().fit(three_clips(), labels.tolist())
    with pytest.raises(ValueError, match=r"missing .None or NaN. for clip 1 of 3"):
        Sav().fit(three_clips(), ["a", "b", "c"]).score(three_clips(), labels)


def test_many_missing_labels_are_counted():
    x, _ = noisy_clips(0, (4, 4))
    with pytest.raises(ValueError, match="for clip 0, 1, 2, 3, 4 and 2 more of 8"):
        Sav().fit(x, [None] * 7 + ["a"])
    with pytest.raises(ValueError, match="for clip 3 of 8"):
        Sav().fit(x, torch.tensor([0, 1, 0, torch.nan, 0, 1, 0, 1]))


DTYPES = {
    "int64": np.array([7, -2, 10]),
    "int8": np.array([7, -2, 10], dtype=np.int8),
    "uint64": np.array([1, 2**64 - 1, 3], dtype=np.uint64),
    "bool": np.array([True, False, True]),
    "float32": np.array([0.1, -1.5, 2.0], dtype=np.float32),
    "str": np.array(["rain", "dog", "cat"]),
    "bytes": np.array([b"rain", b"dog", b"cat"]),
    "days": np.array(["2026-01-02", "2026-01-01", "2026-01-03"], dtype="datetime64[D]"),
    "objects": np.array(["rain", ("dog",), 3], dtype=object),
}


@pytest.mark.parametrize("kind", DTYPES)
def test_predictions_have_the_dtype_of_the_labels(kind):
    labels = DTYPES[kind]
    voter = Calm().fit(three_clips(), labels)
    predicted = voter.predict(three_clips())
    assert voter.classes_.dtype == predicted.dtype == labels.dtype
    assert predicted.tolist() == labels.tolist()


@pytest.mark.parametrize(
    ("labels", "dtype"),
    [
        ([True, False, True], np.bool_),
        ([0.5, 1.5, 2.5], np.float64),
        ([3, 1, 2], np.int64),
        (torch.tensor([3, 1, 2], dtype=torch.int32), np.int64),
        (["a", "b", "c"], np.dtype("U1")),
        ([2**70, 1, 2], object),
        (["a", "a\0", "b"], object),  # NumPy would drop the zero
        ([1, 2.5, "a"], object),
    ],
)
def test_labels_without_a_dtype_get_one_that_holds_them(labels, dtype):
    voter = Sav().fit(three_clips(), labels)
    predicted = voter.predict(three_clips())
    assert predicted.dtype == voter.classes_.dtype == dtype
    assert predicted.tolist() == list(labels)


class Series(list):
    """As pandas' nullable integers come: a list with a dtype that is not NumPy's."""

    dtype = "Int64"


def test_nullable_integers_are_integers():
    voter = Sav().fit(three_clips(), Series([3, 1, 2]))
    assert voter.predict(three_clips()).dtype == np.int64


def test_a_longer_class_of_another_rank_is_not_cut():
    x = three_clips()
    support = gather_support(x, np.array(["a", "b", "c"]), ["a", "b", "c", "longer"], lambda sums: sums + 1)
    assert Sav().fit_support(support).classes_.tolist() == ["a", "b", "c", "longer"]
