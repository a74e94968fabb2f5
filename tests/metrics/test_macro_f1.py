"""Macro-F1 from a confusion matrix, against scikit-learn and torchmetrics."""

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix, f1_score
from torchmetrics.functional.classification import multiclass_f1_score

from calm_pl.metrics import macro_f1


def confusion(truth, predicted, num_classes: int) -> np.ndarray:
    return confusion_matrix(truth, predicted, labels=range(num_classes))


def test_by_hand():
    # Class 0: 3 hits, 1 missed, 2 false -> 6 / 9.  Class 1: 4 hits, 2 missed, 1 false -> 8 / 11.
    assert macro_f1(np.array([[3, 1], [2, 4]])) == pytest.approx((6 / 9 + 8 / 11) / 2)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("num_classes", "used"), [(2, 2), (5, 5), (10, 6), (50, 20)])
def test_the_same_as_scikit_learn_and_torchmetrics(num_classes, used, seed):
    # `used` below `num_classes`: some classes never occur, as truth or prediction, and must not count.
    rng = np.random.default_rng(seed)
    truth, predicted = rng.integers(0, used, (2, 60))
    ours = macro_f1(confusion(truth, predicted, num_classes))
    assert ours == pytest.approx(f1_score(truth, predicted, average="macro"))
    theirs = multiclass_f1_score(torch.tensor(predicted), torch.tensor(truth), num_classes, average="macro")
    assert ours == pytest.approx(float(theirs), abs=1e-6)


def test_a_class_that_is_only_predicted_counts_as_zero():
    truth, predicted = [0, 0, 1, 1], [0, 0, 1, 2]
    assert macro_f1(confusion(truth, predicted, 5)) == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert f1_score(truth, predicted, average="macro") == pytest.approx((1 + 2 / 3 + 0) / 3)


def test_a_class_that_is_never_predicted_counts_as_zero():
    assert macro_f1(np.array([[4, 0], [2, 0]])) == pytest.approx((8 / 10 + 0) / 2)


def test_imbalance_is_not_hidden():
    # 9:1, everything called spoofed: accuracy 0.9, Macro-F1 below a half.
    assert macro_f1(np.array([[0, 10], [0, 90]])) == pytest.approx((0 + 180 / 190) / 2)


@pytest.mark.parametrize("matrix", [np.zeros((3, 3), int), np.zeros((0, 0), int)])
def test_nothing_is_zero(matrix):
    assert macro_f1(matrix) == 0


def test_perfect_is_one():
    assert macro_f1(np.diag([3, 1, 0, 7])) == 1


def test_a_stack_of_matrices_is_that_of_each():
    stack = np.random.default_rng(0).integers(0, 5, (2, 3, 4, 4))
    result = macro_f1(stack)
    assert result.shape == (2, 3)
    for i in np.ndindex(2, 3):
        assert result[i] == pytest.approx(float(macro_f1(stack[i])))
