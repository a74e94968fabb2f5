"""The order of the confusion matrix and the list beside it."""

import numpy as np
import pytest

from calm_pl.figures import cluster_order, largest_confusions


def counts(size, pairs):
    found = np.diag(np.full(size, 10))
    for truth, predicted, number in pairs:
        found[truth, predicted] = number
    return found


def test_confused_classes_stand_side_by_side():
    # a-d-f and b-e are confused, c and g with nobody.
    classes = list("abcdefg")
    found = counts(7, [(0, 3, 4), (3, 5, 4), (5, 3, 1), (1, 4, 2)])
    order = "".join(classes[c] for c in cluster_order(found, classes))
    assert order in ("adfbecg", "adfebcg", "fdabecg", "fdaebcg")


@pytest.mark.parametrize("columns", [0, 1])
def test_the_order_that_classes_come_in_changes_nothing(columns):
    rng = np.random.default_rng(1)
    classes = [f"class {n}" for n in rng.permutation(40)]
    found = rng.poisson(0.4, (40, 40 + columns)) * rng.integers(0, 2, (40, 40 + columns))  # with many ties
    found[:, :40] += np.diag(rng.integers(0, 20, 40))
    expected = [classes[c] for c in cluster_order(found, classes)]
    for _ in range(5):
        p = rng.permutation(40)
        moved = found[p][:, [*p, *range(40, 40 + columns)]]
        renamed = [classes[c] for c in p]
        assert [renamed[c] for c in cluster_order(moved, renamed)] == expected


def test_it_is_a_permutation_that_brings_confusions_to_the_diagonal():
    rng = np.random.default_rng(0)
    found = np.diag(np.full(309, 100))
    hidden = rng.permutation(309)
    for start in range(0, 309, 3):  # triples that are confused, scattered over the classes
        for a in hidden[start : start + 3]:
            found[a, hidden[start : start + 3]] += 20
    order = cluster_order(found, [str(c) for c in range(309)])
    assert sorted(order) == list(range(309))
    place = np.argsort(order)
    truth, predicted = np.nonzero(found)
    assert np.abs(place[truth] - place[predicted]).max() == 2
    assert np.abs(truth - predicted).max() > 200


def test_classes_without_predictions_are_there():
    assert sorted(cluster_order(np.zeros((4, 4)), list("abcd"))) == [0, 1, 2, 3]


def test_largest_confusions_by_hand():
    found = largest_confusions([[5, 3, 0, 2], [3, 0, 1, 0], [0, 0, 9, 0]], 4)
    assert [(one.truth, one.predicted, one.number) for one in found] == [
        (1, 0, 3),  # three of four
        (0, 1, 3),  # three of ten
        (0, 3, 2),  # no answer
        (1, 2, 1),
    ]
    assert [round(one.share, 2) for one in found] == [0.75, 0.3, 0.2, 0.25]
