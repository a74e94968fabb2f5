"""Intervals by the jackknife over clips and draws: against slow loops, by hand, and how often they cover."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from calm_pl.metrics import Predicted, jackknife_intervals, wilson
from calm_pl.metrics.jackknife import _Fold, variances
from calm_pl.metrics.student import t_quantile95

CLASSES = 4


def predictions(seed, clips_by_fold=(7, 5), most_questions=3, draws=2, right=0.6, clusters=None) -> Predicted:
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
    clip_Q = np.array(clip)[order]
    cluster_Q = None if clusters is None else clip_Q % clusters
    return Predicted(label[order], predicted[order], clip_Q, np.array(fold)[order], cluster_Q)


def value(a: Predicted, name: str, keep, d: int, fold: int) -> float:
    """A metric of one draw and fold over the questions that are kept, by scikit-learn and plain loops."""
    kept = [q for q in range(len(a.label_Q)) if keep[q] and a.fold_Q[q] == fold]
    truth, guess = [a.label_Q[q] for q in kept], [a.predicted_QD[q, d] for q in kept]
    if name == "accuracy":
        return float(np.mean(np.array(truth) == np.array(guess)))
    if name == "macro_f1":
        return float(f1_score(truth, guess, average="macro"))
    exact = [
        all(a.label_Q[q] == a.predicted_QD[q, d] for q in kept if a.clip_Q[q] == clip)
        for clip in sorted({a.clip_Q[q] for q in kept})
    ]
    return float(np.mean(exact))


def slow_variances(a: Predicted, name: str):
    """Variances over clusters and over draws, and what both share, straight from the definitions."""
    cluster_Q = a.clip_Q if a.cluster_Q is None else a.cluster_Q
    folds, draws = sorted(set(a.fold_Q.tolist())), a.predicted_QD.shape[1]
    everything = np.ones(len(a.label_Q), dtype=bool)
    point_D = np.array([np.mean([value(a, name, everything, d, f) for f in folds]) for d in range(draws)])
    clusters = {f: sorted(set(cluster_Q[a.fold_Q == f].tolist())) for f in folds}
    number = sum(map(len, clusters.values()))
    over_clips = shared = 0.0
    for fold in folds:
        names = clusters[fold]
        left = np.array([[value(a, name, cluster_Q != one, d, fold) for one in names] for d in range(draws)])
        K = len(names)
        over_clips += (K - 1) / K * ((left.mean(0) - left.mean()) ** 2).sum() / len(folds) ** 2
        for d in range(draws):
            pull = math.sqrt((K - 1) / K) * (left[d].mean() - left[d]) / len(folds)
            shared += ((pull + (point_D[d] - point_D.mean()) / number) ** 2).sum() / draws**2
    over_draws = point_D.var(ddof=1) / draws if draws > 1 else 0.0
    return over_clips, over_draws, shared


@pytest.mark.parametrize(
    "shape",
    [
        {"clips_by_fold": (6,), "most_questions": 1, "draws": 3},
        {"clips_by_fold": (5, 8), "most_questions": 1, "draws": 1},
        {"clips_by_fold": (9,), "most_questions": 4, "draws": 1},
        {"clips_by_fold": (9,), "most_questions": 1, "draws": 1, "clusters": 4},
        {"clips_by_fold": (4, 6, 5), "most_questions": 3, "draws": 2, "clusters": 3},
    ],
    ids=["draws", "folds", "questions", "clusters", "all"],
)
def test_a_slow_loop_agrees(shape):
    a = predictions(3, **shape)
    draws = a.predicted_QD.shape[1]
    folds = [_Fold(a, fold, CLASSES) for fold in np.unique(a.fold_Q)]
    for name in ("accuracy", "macro_f1", "exact_match"):
        points, without = zip(*(fold.left_out(name) for fold in folds), strict=True)
        found = variances(np.mean(points, axis=0), list(without))
        clips, of_draws, shared = slow_variances(a, name)
        assert found.clips.value == pytest.approx(clips, rel=1e-9), name
        if draws == 1:
            assert (found.draws, found.both) == (None, found.clips)
        else:
            assert found.draws == pytest.approx((of_draws, draws - 1), rel=1e-9)
            assert found.both.value == pytest.approx(
                max(clips + of_draws - shared, clips, of_draws), rel=1e-9
            )


@settings(max_examples=25, deadline=None, database=None)
@given(seed=st.integers(0, 10**6))
def test_an_interval_holds_its_value_and_lies_in_the_unit_interval(seed):
    a = predictions(seed)
    whole = np.ones(len(a.label_Q), dtype=bool)
    for name, chance in jackknife_intervals(a, CLASSES).items():
        mean = np.mean([[value(a, name, whole, d, f) for d in range(2)] for f in range(2)])
        for low, high in (chance.both, chance.clips, chance.draws):
            assert 0 <= low <= mean + 1e-12
            assert mean - 1e-12 <= high <= 1


@settings(max_examples=10, deadline=None, database=None)
@given(seed=st.integers(0, 10**6))
def test_neither_the_order_of_questions_nor_that_of_draws_matters(seed):
    a = predictions(seed, clusters=4)
    order, rng = np.random.default_rng(seed).permutation(len(a.label_Q)), [1, 0]
    mixed = Predicted(*(part[order] for part in a[:5]))._replace(predicted_QD=a.predicted_QD[order][:, rng])
    before, after = jackknife_intervals(a, CLASSES), jackknife_intervals(mixed, CLASSES)
    for name, chance in before.items():
        assert np.array(chance) == pytest.approx(np.array(after[name]), abs=1e-12)


def test_a_class_that_one_clip_alone_has_drops_out_with_it():
    # By hand: F1 of the classes is 1, 2/3, 0 with all; the last class goes with the last clip.
    label, guess = np.array([0, 0, 1, 1, 2]), np.array([0, 0, 1, 3, 3])
    points, without = _Fold(
        Predicted(label, guess[:, None], np.arange(5), np.zeros(5, dtype=int)), 0, 3
    ).left_out("macro_f1")
    assert points == pytest.approx([(1 + 2 / 3 + 0) / 3])
    assert without[0] == pytest.approx(
        [(1 + 2 / 3) / 3, (1 + 2 / 3) / 3, (1 + 0 + 0) / 3, (1 + 1 + 0) / 3, (1 + 2 / 3) / 2]
    )


@pytest.mark.parametrize("right", [True, False])
def test_all_right_or_all_wrong_is_not_taken_for_certain(right):
    # Four recordings of three clips say as much as four clips: Wilson's interval, with Student's quantile.
    label = np.zeros(12, dtype=int)
    a = Predicted(label, label[:, None] + (not right), np.arange(12), label, np.arange(12) // 3)
    t2 = t_quantile95(3) ** 2
    ends = (4 / (4 + t2), 1.0) if right else (0.0, t2 / (4 + t2))
    for chance in jackknife_intervals(a, 2).values():
        assert chance.both == chance.clips == pytest.approx(ends)


def test_a_single_recording_says_nothing_about_others():
    a = predictions(0)._replace(cluster_Q=None, clip_Q=np.zeros(len(predictions(0).label_Q), dtype=int))
    one = a._replace(fold_Q=np.zeros(len(a.label_Q), dtype=int))
    assert {chance.both for chance in jackknife_intervals(one, CLASSES).values()} == {(0.0, 1.0)}


def test_independent_clips_of_one_draw_have_wilsons_interval():
    # But for the variance's n - 1 and Student's quantile.
    label = np.zeros(2_000, dtype=int)
    a = Predicted(label, (np.arange(2_000) < 300).astype(int)[:, None], np.arange(2_000), label)
    chance = jackknife_intervals(a, 2)
    assert chance["accuracy"].both == chance["exact_match"].both
    assert chance["accuracy"].both == pytest.approx(wilson(1_700, 2_000), abs=2e-5)


def test_clips_are_left_out_whole():
    # 10 clips of 40 equal questions each carry the information of 10, not of 400.
    label = np.zeros(400, dtype=int)
    clip = np.repeat(np.arange(10), 40)
    predicted = np.where(clip < 5, 0, 1)[:, None]
    fold = np.zeros(400, dtype=int)
    whole = jackknife_intervals(Predicted(label, predicted, clip, fold), 2)["accuracy"].both
    apart = jackknife_intervals(Predicted(label, predicted, np.arange(400), fold), 2)["accuracy"].both
    by_speaker = jackknife_intervals(Predicted(label, predicted, np.arange(400), fold, clip), 2)[
        "accuracy"
    ].both
    assert whole == by_speaker
    assert whole.high - whole.low > 4 * (apart.high - apart.low)


def test_the_two_sources_of_chance_are_told_apart():
    # Draws that are all right or all wrong leave no chance in the clips, and the other way round.
    label, alone = np.zeros(40, dtype=int), np.zeros(40, dtype=int)
    by_draw = np.tile([0, 1, 0, 1], (40, 1))
    chance = jackknife_intervals(Predicted(label, by_draw, np.arange(40), alone), 2)["accuracy"]
    assert chance.draws == pytest.approx((0, 1))  # Student's t with 3 degrees of freedom, cut
    assert chance.both.high - chance.both.low > 0.7
    assert chance.clips.high - chance.clips.low < 0.2
    by_clip = np.tile(np.arange(40)[:, None] % 2, (1, 4))
    chance = jackknife_intervals(Predicted(label, by_clip, np.arange(40), alone), 2)["accuracy"]
    assert chance.draws == (0.5, 0.5)
    assert chance.clips == pytest.approx(chance.both)
    assert chance.both.high - chance.both.low > 0.2


@pytest.mark.parametrize(
    ("classes", "clips", "sizes"),
    [(10, 6, (1,)), (50, 2, (1,)), (10, 6, (1, 1, 2, 4))],
    ids=["10x6", "50x2", "uneven recordings"],
)
def test_macro_f1_is_covered_as_often_as_it_says(classes, clips, sizes):
    # 100 worlds; 95 of 100 has a standard deviation of 2.2. The percentile bootstrap covers 92, 61 and 89.
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(100):
        share_C = rng.beta(4.2, 1.8, classes).clip(0.01, 0.99)
        wrong_CC = rng.dirichlet(np.full(classes, 0.3), classes) * (1 - np.eye(classes))
        wrong_CC /= wrong_CC.sum(1, keepdims=True)
        both_CC = np.diag(share_C) + (1 - share_C)[:, None] * wrong_CC
        true = float((2 * share_C / (1 + both_CC.sum(0))).mean())
        label = np.repeat(np.arange(classes), clips)
        cluster = np.repeat(np.arange(len(label)), rng.choice(sizes, len(label)))[: len(label)]
        cluster = cluster * classes + label  # a recording holds one class
        chance = np.unique(cluster, return_inverse=True)[1]
        own = rng.beta(3 * share_C[label], 3 * (1 - share_C[label]))
        own = own[np.unique(cluster, return_index=True)[1]][chance]
        guess = np.array([rng.choice(classes, p=wrong_CC[c]) for c in label])
        predicted = np.where(rng.random(len(label)) < own, label, guess)[:, None]
        a = Predicted(label, predicted, np.arange(len(label)), np.zeros(len(label), dtype=int), chance)
        low, high = jackknife_intervals(a, classes)["macro_f1"].both
        covered += low <= true <= high
    assert 89 <= covered <= 100, covered
