"""The bootstrap over clips: against a slow loop over the same resamples, and against what it should cover."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from calm_pl.metrics import Answers, bootstrap_clips

CLASSES = 4


def answers(seed, clips_by_fold=(7, 5), most_questions=3, draws=2, right=0.6) -> Answers:
    """Clips with one question or several, in mixed order."""
    rng = np.random.default_rng(seed)
    clip, fold, start = [], [], 0
    for number, clips in enumerate(clips_by_fold):
        of_fold = np.repeat(np.arange(start, start + clips), rng.integers(1, most_questions + 1, clips))
        clip += of_fold.tolist()
        fold += [number] * len(of_fold)
        start += clips
    order = rng.permutation(len(clip))
    label = rng.integers(0, CLASSES, len(clip))
    guess = rng.integers(0, CLASSES, (len(clip), draws))
    predicted = np.where(rng.random((len(clip), draws)) < right, label[:, None], guess)
    return Answers(label[order], predicted[order], np.array(clip)[order], np.array(fold)[order])


def slow_intervals(a: Answers, resamples: int, seed: int) -> dict[str, list[float]]:
    """Question by question: a clip that was drawn k times has all its questions repeated k times."""
    rng = np.random.default_rng(seed)
    folds = sorted(set(a.fold_Q.tolist()))
    weights = {}
    for fold in folds:  # the order in which the random numbers are drawn, of at most 100 resamples at once
        clips = sorted(set(a.clip_Q[a.fold_Q == fold].tolist()))
        weights[fold] = (clips, rng.multinomial(len(clips), [1 / len(clips)] * len(clips), resamples))
    values = {"accuracy": [], "macro_f1": [], "exact_match": []}
    for r in range(resamples):
        by_fold = {name: [] for name in values}
        for fold in folds:
            clips, drawn = weights[fold]
            by_draw = {name: [] for name in values}
            for d in range(a.predicted_QD.shape[1]):
                truth, guess, exact = [], [], 0
                for clip, times in zip(clips, drawn[r], strict=True):
                    own = [q for q in range(len(a.clip_Q)) if a.clip_Q[q] == clip]
                    truth += [a.label_Q[q] for q in own] * times
                    guess += [a.predicted_QD[q, d] for q in own] * times
                    exact += times * all(a.label_Q[q] == a.predicted_QD[q, d] for q in own)
                by_draw["accuracy"].append(np.mean(np.array(truth) == np.array(guess)))
                by_draw["macro_f1"].append(f1_score(truth, guess, average="macro"))
                by_draw["exact_match"].append(exact / len(clips))
            for name, of_draws in by_draw.items():
                by_fold[name].append(np.mean(of_draws))
        for name, of_folds in by_fold.items():
            values[name].append(np.mean(of_folds))
    return {name: np.quantile(all_of, [0.025, 0.975]).tolist() for name, all_of in values.items()}


@pytest.mark.parametrize(
    "shape",
    [
        {"clips_by_fold": (6,), "most_questions": 1, "draws": 3},
        {"clips_by_fold": (5, 8), "most_questions": 1, "draws": 1},
        {"clips_by_fold": (9,), "most_questions": 4, "draws": 1},
        {"clips_by_fold": (4, 6, 5), "most_questions": 3, "draws": 2},
    ],
    ids=["draws", "folds", "questions", "all"],
)
def test_a_slow_loop_over_the_same_resamples_agrees(shape):
    a = answers(3, **shape)
    fast = bootstrap_clips(a, CLASSES, resamples=60, seed=5)
    slow = slow_intervals(a, 60, 5)
    assert set(fast) == set(slow)
    for name, interval in fast.items():
        assert interval == pytest.approx(slow[name], abs=1e-9), name


@settings(max_examples=25, deadline=None, database=None)
@given(seed=st.integers(0, 10**6))
def test_ends_lie_in_order_in_the_unit_interval(seed):
    for low, high in bootstrap_clips(answers(seed), CLASSES, resamples=50).values():
        assert -1e-12 <= low <= high <= 1 + 1e-12


def test_the_seed_decides():
    a = answers(0)
    assert bootstrap_clips(a, CLASSES, seed=1) == bootstrap_clips(a, CLASSES, seed=1)
    assert bootstrap_clips(a, CLASSES, seed=1) != bootstrap_clips(a, CLASSES, seed=2)


def test_certainty_has_no_width():
    a = answers(0)
    sure = a._replace(predicted_QD=np.repeat(a.label_Q[:, None], 2, axis=1))
    assert set(bootstrap_clips(sure, CLASSES).values()) == {(1.0, 1.0)}


def test_clips_are_resampled_whole():
    # 10 clips of 40 equal questions each carry the information of 10, not of 400.
    label = np.zeros(400, dtype=int)
    clip = np.repeat(np.arange(10), 40)
    predicted = np.where(clip < 5, 0, 1)[:, None]
    fold = np.zeros(400, dtype=int)
    whole = bootstrap_clips(Answers(label, predicted, clip, fold), 2)["accuracy"]
    apart = bootstrap_clips(Answers(label, predicted, np.arange(400), fold), 2)["accuracy"]
    assert whole.high - whole.low > 4 * (apart.high - apart.low)
    assert whole == (0.2, 0.8)  # quantiles of a binomial of 10 at a half


def test_folds_keep_their_numbers_of_clips():
    # One fold all right, the other all wrong: the mean over folds is a half in every resample.
    label = np.zeros(30, dtype=int)
    fold = np.repeat([0, 1], 15)
    ends = bootstrap_clips(Answers(label, fold[:, None], np.arange(30), fold), 2)
    assert ends["accuracy"] == ends["exact_match"] == (0.5, 0.5)


def test_folds_weigh_alike_whatever_their_size():
    label = np.zeros(22, dtype=int)
    fold = np.repeat([0, 1], [20, 2])
    assert bootstrap_clips(Answers(label, fold[:, None], np.arange(22), fold), 2)["accuracy"] == (0.5, 0.5)


def test_it_covers_the_truth_about_as_often_as_it_says():
    # 200 worlds of 80 clips at an accuracy of 0.7; 95 % of 200 is 190, standard deviation 3.
    rng = np.random.default_rng(0)
    covered = 0
    for world in range(200):
        wrong = (rng.random(80) > 0.7).astype(int)
        a = Answers(np.zeros(80, dtype=int), wrong[:, None], np.arange(80), np.zeros(80, dtype=int))
        low, high = bootstrap_clips(a, 2, resamples=200, seed=world)["accuracy"]
        covered += low <= 0.7 <= high
    assert 176 <= covered <= 199, covered
