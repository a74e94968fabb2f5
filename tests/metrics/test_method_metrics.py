"""All metrics of one method, against scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

from calm_pl.metrics import MethodMetrics, bootstrap_macro_f1, wilson


def predictions(num_classes: int, num_queries: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Predicted and true classes, two thirds right."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, num_classes, num_queries)
    guess = rng.integers(0, num_classes, num_queries)
    return torch.tensor(np.where(rng.random(num_queries) < 0.66, truth, guess)), torch.tensor(truth)


@pytest.mark.parametrize("batch_size", [1, 7, 100])
@pytest.mark.parametrize("num_classes", [2, 10, 50])
def test_scikit_learn_agrees_whatever_the_batch_size(num_classes, batch_size):
    predicted, truth = predictions(num_classes, 100)
    metrics = MethodMetrics(num_classes, 100)
    clip = torch.arange(100)
    for start in range(0, 100, batch_size):
        part = slice(start, start + batch_size)
        metrics.update(predicted[part], truth[part], clip[part])
    result = metrics.result()
    assert result.accuracy == pytest.approx(accuracy_score(truth, predicted), abs=1e-6)
    assert result.macro_f1 == pytest.approx(f1_score(truth, predicted, average="macro"), abs=1e-6)
    assert result.exact_match == result.accuracy
    assert result.n == 100
    np.testing.assert_array_equal(
        result.confusion_CC, confusion_matrix(truth, predicted, labels=range(num_classes))
    )


def test_intervals_are_those_of_the_counts():
    predicted, truth = predictions(10, 80)
    metrics = MethodMetrics(10, 80)
    metrics.update(predicted, truth, torch.arange(80))
    result = metrics.result()
    right = int((predicted == truth).sum())
    assert set(result.ci95) == {"accuracy", "macro_f1", "exact_match"}
    assert result.ci95["accuracy"] == wilson(right, 80)
    assert result.ci95["exact_match"] == wilson(right, 80)
    assert result.ci95["macro_f1"] == bootstrap_macro_f1(result.confusion_CC)


def test_several_queries_a_clip():
    # Clip 0: both right.  Clip 1: one of two.  Clip 2: the only one wrong.
    metrics = MethodMetrics(3, 3)
    metrics.update(torch.tensor([0, 1, 2]), torch.tensor([0, 1, 2]), torch.tensor([0, 0, 1]))
    metrics.update(torch.tensor([0, 0]), torch.tensor([1, 2]), torch.tensor([1, 2]))
    result = metrics.result()
    assert result.accuracy == pytest.approx(3 / 5)
    assert result.exact_match == pytest.approx(1 / 3, abs=1e-6)
    assert result.ci95["accuracy"] == wilson(3, 5)
    assert result.ci95["exact_match"] == wilson(1, 3)
    assert result.n == 5


def test_rows_of_the_confusion_matrix_are_the_truth():
    metrics = MethodMetrics(3, 2)
    metrics.update(torch.tensor([2, 2]), torch.tensor([0, 0]), torch.tensor([0, 1]))
    assert metrics.result().confusion_CC.tolist() == [[0, 0, 2], [0, 0, 0], [0, 0, 0]]


def test_skipped_clips_are_in_no_denominator():
    metrics = MethodMetrics(2, 10)
    metrics.update(torch.tensor([0, 1, 0]), torch.tensor([0, 1, 1]), torch.tensor([0, 5, 9]))
    result = metrics.result()
    assert result.n == 3
    assert result.accuracy == pytest.approx(2 / 3, abs=1e-6)
    assert result.exact_match == pytest.approx(2 / 3, abs=1e-6)


def test_classes_without_a_clip_do_not_lower_macro_f1():
    metrics = MethodMetrics(50, 4)
    metrics.update(torch.tensor([3, 3, 9, 9]), torch.tensor([3, 3, 9, 9]), torch.arange(4))
    assert metrics.result().macro_f1 == 1


def test_numbers_are_plain():
    metrics = MethodMetrics(2, 3)
    metrics.update(torch.tensor([0, 1, 1]), torch.tensor([0, 1, 0]), torch.arange(3))
    result = metrics.result()
    assert {type(result.accuracy), type(result.macro_f1), type(result.exact_match)} == {float}
    assert type(result.n) is int
    assert all(type(end) is float for interval in result.ci95.values() for end in interval)
    assert result.accuracy == 0.666667  # no digits that float32 does not hold


def test_asking_twice_gives_the_same():
    predicted, truth = predictions(4, 30)
    metrics = MethodMetrics(4, 30)
    metrics.update(predicted, truth, torch.arange(30))
    first, second = metrics.result(), metrics.result()
    assert first._replace(confusion_CC=None) == second._replace(confusion_CC=None)


def test_reset_forgets():
    metrics = MethodMetrics(2, 2)
    metrics.update(torch.tensor([0, 0]), torch.tensor([1, 1]), torch.arange(2))
    metrics.reset()
    metrics.update(torch.tensor([1]), torch.tensor([1]), torch.tensor([0]))
    result = metrics.result()
    assert (result.accuracy, result.exact_match, result.n) == (1, 1, 1)
