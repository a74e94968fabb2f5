"""The bootstrap over clips and draws: against a slow loop over the same resamples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from calm_pl.metrics import Answers, Chance, bootstrap_clips

CLASSES = 4


def answers(seed, clips_by_fold=(7, 5), most_questions=3, draws=2, right=0.6, clusters=None) -> Answers:
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
    return Answers(label[order], predicted[order], clip_Q, np.array(fold)[order], cluster_Q)


def slow_intervals(a: Answers, resamples: int, seed: int) -> dict[str, Chance]:
    """Question by question: a cluster that was drawn k times has all its questions repeated k times."""
    rng = np.random.default_rng(seed)
    cluster_Q = a.clip_Q if a.cluster_Q is None else a.cluster_Q
    folds, draws = sorted(set(a.fold_Q.tolist())), a.predicted_QD.shape[1]
    drawn = {}
    for fold in folds:  # the order in which the random numbers are drawn, of at most 100 resamples at once
        names = sorted(set(cluster_Q[a.fold_Q == fold].tolist()))
        drawn[fold] = (names, rng.multinomial(len(names), [1 / len(names)] * len(names), resamples))
    draw_RD = np.random.default_rng([seed, 1]).multinomial(draws, [1 / draws] * draws, resamples)

    def value(name: str, r: int | None, d: int) -> float:
        """A metric of one draw in one resample; of the clips as they are where `r` is None."""
        of_folds = []
        for fold in folds:
            names, times_RK = drawn[fold]
            truth, guess, exact = [], [], []
            for k, cluster in enumerate(names):
                times = 1 if r is None else times_RK[r, k]
                own = [q for q in range(len(cluster_Q)) if cluster_Q[q] == cluster and a.fold_Q[q] == fold]
                truth += [a.label_Q[q] for q in own] * times
                guess += [a.predicted_QD[q, d] for q in own] * times
                for clip in sorted({a.clip_Q[q] for q in own}):
                    right = [a.label_Q[q] == a.predicted_QD[q, d] for q in own if a.clip_Q[q] == clip]
                    exact += [all(right)] * times
            if name == "accuracy":
                of_folds.append(np.mean(np.array(truth) == np.array(guess)))
            else:
                of_folds.append(
                    f1_score(truth, guess, average="macro") if name == "macro_f1" else np.mean(exact)
                )
        return float(np.mean(of_folds))

    found = {}
    for name in ("accuracy", "macro_f1", "exact_match"):
        values_RD = np.array([[value(name, r, d) for d in range(draws)] for r in range(resamples)])
        point_D = np.array([value(name, None, d) for d in range(draws)])
        both = [(values_RD[r] * draw_RD[r]).sum() / draws for r in range(resamples)]
        of_draws = [(point_D * draw_RD[r]).sum() / draws for r in range(resamples)]
        ends = [np.quantile(v, [0.025, 0.975]) for v in (both, values_RD.mean(1), of_draws)]
        found[name] = Chance(ends[0], ends[1], ends[2] if draws > 1 else None)
    return found


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
def test_a_slow_loop_over_the_same_resamples_agrees(shape):
    a = answers(3, **shape)
    fast = bootstrap_clips(a, CLASSES, resamples=60, seed=5)
    slow = slow_intervals(a, 60, 5)
    assert set(fast) == set(slow)
    for name, chance in fast.items():
        assert chance.both == pytest.approx(slow[name].both, abs=1e-9), name
        assert chance.clips == pytest.approx(slow[name].clips, abs=1e-9), name
        assert (chance.draws is None) == (slow[name].draws is None)
        if chance.draws is not None:
            assert chance.draws == pytest.approx(slow[name].draws, abs=1e-9), name


@settings(max_examples=25, deadline=None, database=None)
@given(seed=st.integers(0, 10**6))
def test_ends_lie_in_order_in_the_unit_interval(seed):
    for chance in bootstrap_clips(answers(seed), CLASSES, resamples=50).values():
        for low, high in (chance.both, chance.clips, chance.draws):
            assert -1e-12 <= low <= high <= 1 + 1e-12


def test_the_seed_decides():
    a = answers(0)
    assert bootstrap_clips(a, CLASSES, seed=1) == bootstrap_clips(a, CLASSES, seed=1)
    assert bootstrap_clips(a, CLASSES, seed=1) != bootstrap_clips(a, CLASSES, seed=2)


def test_certainty_has_no_width():
    a = answers(0)
    sure = a._replace(predicted_QD=np.repeat(a.label_Q[:, None], 2, axis=1))
    assert set(bootstrap_clips(sure, CLASSES).values()) == {((1.0, 1.0),) * 3}


def test_clips_are_resampled_whole():
    # 10 clips of 40 equal questions each carry the information of 10, not of 400.
    label = np.zeros(400, dtype=int)
    clip = np.repeat(np.arange(10), 40)
    predicted = np.where(clip < 5, 0, 1)[:, None]
    fold = np.zeros(400, dtype=int)
    whole = bootstrap_clips(Answers(label, predicted, clip, fold), 2)["accuracy"].both
    apart = bootstrap_clips(Answers(label, predicted, np.arange(400), fold), 2)["accuracy"].both
    by_speaker = bootstrap_clips(Answers(label, predicted, np.arange(400), fold, clip), 2)["accuracy"].both
    assert whole.high - whole.low > 4 * (apart.high - apart.low)
    assert whole == by_speaker == (0.2, 0.8)  # quantiles of a binomial of 10 at a half


def test_the_two_sources_of_chance_are_told_apart():
    # Draws that are all right or all wrong leave no chance in the clips, and the other way round.
    label, alone = np.zeros(40, dtype=int), np.zeros(40, dtype=int)
    by_draw = np.tile([0, 1, 0, 1], (40, 1))
    chance = bootstrap_clips(Answers(label, by_draw, np.arange(40), alone), 2)["accuracy"]
    assert chance.clips == (0.5, 0.5)
    assert chance.draws == chance.both == (0.0, 1.0)
    by_clip = np.tile(np.arange(40)[:, None] % 2, (1, 4))
    chance = bootstrap_clips(Answers(label, by_clip, np.arange(40), alone), 2)["accuracy"]
    assert chance.draws == (0.5, 0.5)
    assert chance.clips == chance.both
    assert chance.both.high - chance.both.low > 0.2


def test_folds_keep_their_numbers_of_clips():
    # One fold all right, the other all wrong: the mean over folds is a half in every resample.
    label = np.zeros(30, dtype=int)
    fold = np.repeat([0, 1], 15)
    ends = bootstrap_clips(Answers(label, fold[:, None], np.arange(30), fold), 2)
    assert ends["accuracy"].both == ends["exact_match"].both == (0.5, 0.5)


def test_folds_weigh_alike_whatever_their_size():
    label = np.zeros(22, dtype=int)
    fold = np.repeat([0, 1], [20, 2])
    assert bootstrap_clips(Answers(label, fold[:, None], np.arange(22), fold), 2)["accuracy"].both == (
        0.5,
        0.5,
    )


def test_it_covers_the_truth_about_as_often_as_it_says():
    # 200 worlds of 80 clips at an accuracy of 0.7; 95 % of 200 is 190, standard deviation 3.
    rng = np.random.default_rng(0)
    covered = 0
    for world in range(200):
        wrong = (rng.random(80) > 0.7).astype(int)
        a = Answers(np.zeros(80, dtype=int), wrong[:, None], np.arange(80), np.zeros(80, dtype=int))
        low, high = bootstrap_clips(a, 2, resamples=200, seed=world)["accuracy"].both
        covered += low <= 0.7 <= high
    assert 176 <= covered <= 199, covered
