"""The bootstrap interval of Macro-F1, against a slow bootstrap that draws clips."""

import tracemalloc

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, f1_score

from calm_pl.metrics import bootstrap_macro_f1, macro_f1


def random_confusion(num_classes: int, num_clips: int, right: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, num_classes, num_clips)
    guess = rng.integers(0, num_classes, num_clips)
    predicted = np.where(rng.random(num_clips) < right, truth, guess)
    return confusion_matrix(truth, predicted, labels=range(num_classes))


def test_the_same_seed_gives_the_same():
    confusion = random_confusion(5, 100, 0.7)
    assert bootstrap_macro_f1(confusion) == bootstrap_macro_f1(confusion)
    assert bootstrap_macro_f1(confusion, seed=1) != bootstrap_macro_f1(confusion, seed=2)


def test_the_global_generator_is_neither_used_nor_moved():
    confusion = random_confusion(5, 100, 0.7)
    results = []
    for seed in (1, 2):
        np.random.seed(seed)
        before = np.random.get_state()[1].tolist()
        results.append(bootstrap_macro_f1(confusion))
        assert np.random.get_state()[1].tolist() == before
    assert results[0] == results[1]


@pytest.mark.parametrize("num_clips", [20, 80, 400])
@pytest.mark.parametrize("num_classes", [2, 10])
def test_it_holds_the_point_estimate(num_classes, num_clips):
    confusion = random_confusion(num_classes, num_clips, 0.8)
    low, high = bootstrap_macro_f1(confusion)
    assert 0 <= low < macro_f1(confusion) < high <= 1


@pytest.mark.parametrize(("num_classes", "num_clips"), [(2, 60), (4, 120)])
def test_a_slow_bootstrap_over_clips_agrees(num_classes, num_clips):
    confusion = random_confusion(num_classes, num_clips, 0.7)
    cells = np.repeat(np.arange(num_classes**2), confusion.ravel())
    truth, predicted = cells // num_classes, cells % num_classes
    rng = np.random.default_rng(5)
    slow = []
    for _ in range(800):
        drawn = rng.integers(0, num_clips, num_clips)
        slow.append(f1_score(truth[drawn], predicted[drawn], average="macro"))
    # Of 800 and 20,000 draws the quantiles' Monte-Carlo error is about 0.005; the interval is 0.2 wide.
    fast = bootstrap_macro_f1(confusion, resamples=20_000)
    assert fast == pytest.approx(tuple(np.quantile(slow, [0.025, 0.975])), abs=0.02)


def test_certainty_has_no_width():
    assert bootstrap_macro_f1(np.diag([5, 5, 5])) == (1.0, 1.0)


def test_more_clips_narrow_it():
    narrow, wide = (bootstrap_macro_f1(random_confusion(4, n, 0.7)) for n in (4_000, 100))
    assert narrow.high - narrow.low < wide.high - wide.low


def test_rows_are_the_truth_but_macro_f1_does_not_care():
    # F1 is symmetric in truth and prediction, and so is its interval up to the draw.
    confusion = random_confusion(4, 400, 0.6)
    assert bootstrap_macro_f1(confusion) == pytest.approx(bootstrap_macro_f1(confusion.T), abs=0.02)


def test_309_classes_stay_within_bounded_memory():
    # 1,000 confusion matrices of 309 classes at once would take 760 MB.
    confusion = random_confusion(309, 15_000, 0.8)
    tracemalloc.start()
    low, high = bootstrap_macro_f1(confusion)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 300 * 2**20
    assert low < macro_f1(confusion) < high


def test_cutting_the_draws_into_steps_changes_nothing(monkeypatch):
    confusion = random_confusion(6, 200, 0.7)
    whole = bootstrap_macro_f1(confusion)
    monkeypatch.setattr("calm_pl.metrics.intervals._CONFUSIONS_AT_ONCE", 36 * 7)
    assert bootstrap_macro_f1(confusion) == whole
