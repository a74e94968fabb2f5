"""All metrics of one method, against scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

from calm_pl.metrics import MethodMetrics, MetricSizes


def predictions(num_classes: int, num_queries: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Predicted and true classes, two thirds right."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, num_classes, num_queries)
    guess = rng.integers(0, num_classes, num_queries)
    return torch.tensor(np.where(rng.random(num_queries) < 0.66, truth, guess)), torch.tensor(truth)


def metrics_of(num_classes: int, num_questions: int, num_clips: int | None = None) -> MethodMetrics:
    return MethodMetrics(MetricSizes(num_classes, num_questions, num_clips or num_questions))


def count(metrics: MethodMetrics, predicted: list, truth: list, clip: list) -> None:
    """Update with questions whose class scores do not matter."""
    predicted, truth, clip = (torch.as_tensor(values) for values in (predicted, truth, clip))
    num_classes = metrics.num_classes
    metrics.update(predicted, torch.zeros(len(predicted), num_classes), truth, clip, torch.arange(len(clip)))


@pytest.mark.parametrize("batch_size", [1, 7, 100])
@pytest.mark.parametrize("num_classes", [2, 10, 50])
def test_scikit_learn_agrees_whatever_the_batch_size(num_classes, batch_size):
    predicted, truth = predictions(num_classes, 100)
    metrics = metrics_of(num_classes, 100)
    clip = torch.arange(100)
    for start in range(0, 100, batch_size):
        part = slice(start, start + batch_size)
        count(metrics, predicted[part], truth[part], clip[part])
    result = metrics.result()
    assert result.values["accuracy"] == pytest.approx(accuracy_score(truth, predicted), abs=1e-6)
    assert result.values["macro_f1"] == pytest.approx(f1_score(truth, predicted, average="macro"), abs=1e-6)
    assert result.values["exact_match"] == result.values["accuracy"]
    assert result.n == 100
    np.testing.assert_array_equal(
        result.confusion_CC, confusion_matrix(truth, predicted, labels=range(num_classes))
    )


def test_several_queries_a_clip():
    # Clip 0: both right.  Clip 1: one of two.  Clip 2: the only one wrong.
    metrics = metrics_of(3, 5, 3)
    count(metrics, [0, 1, 2], [0, 1, 2], [0, 0, 1])
    count(metrics, [0, 0], [1, 2], [1, 2])
    result = metrics.result()
    assert result.values["accuracy"] == pytest.approx(3 / 5)
    assert result.values["exact_match"] == pytest.approx(1 / 3, abs=1e-6)
    assert (result.n, result.exact, result.clips) == (5, 1, 3)


def test_rows_of_the_confusion_matrix_are_the_truth():
    metrics = metrics_of(3, 2)
    count(metrics, [2, 2], [0, 0], [0, 1])
    assert metrics.result().confusion_CC.tolist() == [[0, 0, 2], [0, 0, 0], [0, 0, 0]]


def test_skipped_clips_are_in_no_denominator():
    metrics = metrics_of(2, 10)
    count(metrics, [0, 1, 0], [0, 1, 1], [0, 5, 9])
    result = metrics.result()
    assert result.n == 3
    assert result.values["accuracy"] == pytest.approx(2 / 3, abs=1e-6)
    assert result.values["exact_match"] == pytest.approx(2 / 3, abs=1e-6)


def test_classes_without_a_clip_do_not_lower_macro_f1():
    metrics = metrics_of(50, 4)
    count(metrics, [3, 3, 9, 9], [3, 3, 9, 9], range(4))
    assert metrics.result().values["macro_f1"] == 1


def test_numbers_are_plain():
    metrics = metrics_of(2, 3)
    count(metrics, [0, 1, 1], [0, 1, 0], range(3))
    result = metrics.result()
    assert {type(value) for value in result.values.values()} == {float}
    assert type(result.n) is int
    assert type(result.exact) is type(result.clips) is int
    assert result.values["accuracy"] == 0.666667  # no digits that float32 does not hold


def test_asking_twice_gives_the_same():
    predicted, truth = predictions(4, 30)
    metrics = metrics_of(4, 30)
    count(metrics, predicted, truth, range(30))
    first, second = metrics.result(), metrics.result()
    assert first._replace(confusion_CC=None) == second._replace(confusion_CC=None)


def test_reset_forgets():
    metrics = metrics_of(2, 2)
    count(metrics, [0, 0], [1, 1], range(2))
    metrics.reset()
    count(metrics, [1], [1], [0])
    result = metrics.result()
    assert (result.values["accuracy"], result.values["exact_match"], result.n) == (1, 1, 1)


@pytest.mark.parametrize(
    ("multi_label", "positive", "more"),
    [(False, None, set()), (True, None, {"map"}), (False, 1, {"eer"}), (False, 0, {"eer"})],
)
def test_which_metrics_a_task_has(multi_label, positive, more):
    metrics = MethodMetrics(MetricSizes(2, 4, 4, multi_label, positive))
    proba = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.7, 0.3]])
    metrics.update(proba.argmax(1), proba, torch.tensor([0, 1, 1, 0]), torch.arange(4), torch.arange(4))
    values = metrics.result().values
    assert set(values) == {"accuracy", "macro_f1", "exact_match"} | more
    assert {name: values[name] for name in more} == (
        {"map": 1.0} if multi_label else dict.fromkeys(more, 0.0)
    )
    metrics.reset()
    metrics.update(proba.argmax(1), proba, torch.tensor([1, 0, 0, 1]), torch.arange(4), torch.arange(4))
    assert metrics.result().values != values  # the first update is forgotten by every metric
    assert metrics.result().n == 4
