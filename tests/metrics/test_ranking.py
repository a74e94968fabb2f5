"""Mean average precision and equal error rate, by hand and against independent computations."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from calm_pl.metrics import ClipAveragePrecision, EqualErrorRate


def multi_label(seed, clips=12, classes=6):
    """Scores and labels of questions: clips with 1 to 4 labels; class 2 is no clip's."""
    rng = np.random.default_rng(seed)
    asked = []
    for clip in range(clips):
        allowed = [c for c in range(classes) if c != 2]
        for label in rng.choice(allowed, rng.integers(1, 5), replace=False):
            asked.append((clip, label, rng.dirichlet(np.ones(classes))))
    return asked


def slow_map(asked, classes=6) -> float:
    clips = sorted({clip for clip, _, _ in asked})
    scores = np.array([np.mean([s for c, _, s in asked if c == clip], axis=0) for clip in clips])
    truth = np.array([[any(q[:2] == (clip, c) for q in asked) for c in range(classes)] for clip in clips])
    return np.mean(
        [average_precision_score(truth[:, c], scores[:, c]) for c in range(classes) if truth[:, c].any()]
    )


@pytest.mark.parametrize("batch", [1, 5, 100])
@pytest.mark.parametrize("seed", range(4))
def test_scikit_learn_agrees_however_the_questions_fall_into_batches(seed, batch):
    asked = multi_label(seed)
    mixed = [asked[i] for i in np.random.default_rng(seed).permutation(len(asked))]
    metric = ClipAveragePrecision(12, 6)
    for start in range(0, len(mixed), batch):
        clip, label, scores = zip(*mixed[start : start + batch], strict=True)
        metric.update(torch.tensor(np.array(scores)), torch.tensor(label), torch.tensor(clip))
    assert float(metric.compute()) == pytest.approx(slow_map(asked), abs=1e-6)


def test_average_precision_by_hand():
    # Class 0 ranks clips 0 (true), 1, 2 (true): (1/1 + 2/3) / 2. Class 1 ranks 2, 1 (true), 0: 1/2.
    metric = ClipAveragePrecision(4, 3)
    metric.update(
        torch.tensor([[0.9, 0.1, 0.0], [0.5, 0.5, 0.0], [0.4, 0.6, 0.0]]),
        torch.tensor([0, 1, 0]),
        torch.tensor([0, 1, 2]),
    )
    assert float(metric.compute()) == pytest.approx((5 / 6 + 1 / 2) / 2)


def test_a_clips_scores_are_averaged_over_its_questions():
    # Clip 0 is asked twice: 0.8 and 0.2 make 0.5, below clip 1's 0.6, so its true classes rank second.
    metric = ClipAveragePrecision(2, 3)
    metric.update(
        torch.tensor([[0.8, 0.5, 0.0], [0.2, 0.5, 0.0], [0.6, 0.7, 0.0]]),
        torch.tensor([0, 1, 2]),
        torch.tensor([0, 0, 1]),
    )
    assert float(metric.compute()) == pytest.approx((1 / 2 + 1 / 2 + 1 / 2) / 3)


def test_one_class_alone():
    metric = ClipAveragePrecision(2, 3)
    metric.update(
        torch.tensor([[0.5, 0.5, 0.0], [0.1, 0.9, 0.0]]), torch.tensor([1, 1]), torch.tensor([0, 1])
    )
    assert float(metric.compute()) == 1.0


@pytest.mark.filterwarnings("ignore:The ``compute`` method of metric:UserWarning")
def test_nothing_asked_has_no_precision():
    assert math.isnan(float(ClipAveragePrecision(2, 3).compute()))


def error_rates(score, truth, threshold):
    """(false acceptance, false rejection) where scores of at least the threshold are accepted."""
    accepted = score >= threshold
    return (accepted & ~truth).sum() / (~truth).sum(), (~accepted & truth).sum() / truth.sum()


def slow_eer(score, truth) -> float:
    """The mean of both rates where they are closest; of thresholds equally close at the highest."""
    pairs = [error_rates(score, truth, t) for t in sorted(set(score.tolist()), reverse=True)]
    far, frr = min(pairs, key=lambda pair: round(abs(pair[0] - pair[1]), 9))
    return (far + frr) / 2


def eer_of(score, truth, positive=1) -> float:
    metric = EqualErrorRate(len(score), positive)
    score = torch.tensor(np.array(score), dtype=torch.float32)
    proba = torch.stack([1 - score, score] if positive else [score, 1 - score], 1)
    label = torch.where(torch.tensor(np.array(truth)), positive, 1 - positive)
    metric.update(proba, label, torch.arange(len(score)))
    return float(metric.compute())


@pytest.mark.parametrize("positive", [0, 1])
def test_equal_error_rate_by_hand(positive):
    # Accepting from 0.6 on accepts 1 of 4 negatives and rejects 1 of 4 positives.
    score = [0.9, 0.8, 0.7, 0.3, 0.6, 0.2, 0.1, 0.05]
    truth = [True, True, True, True, False, False, False, False]
    assert eer_of(score, truth, positive) == pytest.approx(0.25)


@pytest.mark.parametrize("seed", range(8))
def test_a_loop_over_all_thresholds_agrees(seed):
    rng = np.random.default_rng(seed)
    truth = np.concatenate([np.ones(10, bool), np.zeros(40, bool)])
    score = np.where(truth, rng.normal(0.65, 0.15, 50), rng.normal(0.4, 0.15, 50)).clip(0, 1)
    assert eer_of(score, truth) == pytest.approx(slow_eer(score.astype(np.float32), truth), abs=1e-6)


@pytest.mark.parametrize("kind", [True, False])
def test_one_side_alone_has_no_rate(kind):
    assert math.isnan(eer_of([0.1, 0.9], [kind, kind]))


def test_perfect_and_reversed_scores():
    assert eer_of([0.9, 0.8, 0.2, 0.1], [True, True, False, False]) == 0
    assert eer_of([0.9, 0.8, 0.2, 0.1], [False, False, True, True]) == 1


def test_questions_that_were_skipped_do_not_count():
    metric = EqualErrorRate(6, 1)
    score = torch.tensor([0.9, 0.1])
    metric.update(torch.stack([1 - score, score], 1), torch.tensor([1, 0]), torch.tensor([5, 2]))
    assert float(metric.compute()) == 0
    chosen = torch.zeros(6, dtype=torch.bool)
    chosen[5] = True
    assert math.isnan(float(metric.of(chosen)))
