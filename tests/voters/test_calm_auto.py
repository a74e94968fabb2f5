import itertools

import numpy as np
import pytest
import torch
from head_vectors import noisy_clips
from sklearn.base import clone
from slow_whitening import slow_cosines
from test_sums_over_ranks import CLASSES, SPLITS, Ranks

from calm_pl.methods.classifier import Classifier, load_classifier, method_of
from calm_pl.voters import CalmAuto, CalmGlobal, Gda, HeadGda, Sav, gather_support
from calm_pl.voters.auto import POWERS
from calm_pl.voters.gram import clip_places, folded_clips
from calm_pl.voters.linear import RHOS

VOTERS = [CalmAuto(), Gda(), HeadGda(top_k=4)]
each_voter = pytest.mark.parametrize("voter", VOTERS, ids=repr)


def same_classes(seed, counts, queries, noise, junk=0, heads=6, dim=4):
    """Support and query around the same directions; `junk` further heads know nothing."""
    rng = np.random.default_rng(seed)
    directions = rng.standard_normal((len(counts), heads + junk, dim))
    directions[:, heads:] = directions[:1, heads:]
    made = []
    for sizes in (counts, [queries] * len(counts)):
        y = np.repeat(np.arange(len(counts)), sizes)
        made.append(directions[y] + noise * rng.standard_normal((len(y), heads + junk, dim)))
        made.append(y)
    return made


@each_voter
@pytest.mark.parametrize("split", SPLITS.values(), ids=SPLITS)
def test_every_rank_fits_what_one_rank_would(voter, split):
    x, y = noisy_clips(0, (4, 3, 5), noise=1.5, dtype=np.float32)
    queries, _ = noisy_clips(1, (4, 4, 4))
    ranks = Ranks(len(split))

    def work(rank, all_reduce):
        own = list(split[rank])
        support = gather_support(x[own], y[own], CLASSES, all_reduce, rank, len(split))
        return clone(voter).fit_support(support)

    expected = clone(voter).fit(x, y)
    for found in ranks.run(work):
        assert found.fitted_params_ == expected.fitted_params_
        for name in voter.fitted_forms:
            torch.testing.assert_close(getattr(found, name), getattr(expected, name), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(
            found.decision_function(queries), expected.decision_function(queries), rtol=1e-4, atol=1e-4
        )
    assert ranks.shapes[0] == ranks.shapes[-1]


@each_voter
def test_ranks_that_were_not_named_are_refused(voter):
    x, y = noisy_clips(0, (4, 3, 5))
    ranks = Ranks(2)

    def work(rank, all_reduce):
        support = gather_support(x[rank::2], y[rank::2], CLASSES, all_reduce)
        with pytest.raises(ValueError, match="given num_ranks=2"):
            clone(voter).fit_support(support)

    ranks.run(work)


@each_voter
@pytest.mark.parametrize("seed", range(5))
def test_order_of_support_clips(voter, seed):
    x, y = noisy_clips(seed, (4, 3, 5), noise=1.5)
    queries, _ = noisy_clips(seed + 1, (3, 3, 3))
    order = np.random.default_rng(seed).permutation(len(x))
    expected = clone(voter).fit(x, y).decision_function(queries)
    found = clone(voter).fit(x[order], y[order]).decision_function(queries)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@each_voter
def test_queries_one_at_a_time(voter):
    x, y = noisy_clips(0, (4, 3, 5))
    fitted, (queries, _) = clone(voter).fit(x, y), noisy_clips(1, (5, 5, 5))
    alone = np.concatenate([fitted.decision_function(queries[n : n + 1]) for n in range(15)])
    np.testing.assert_allclose(alone, fitted.decision_function(queries), rtol=1e-6, atol=1e-6)
    assert fitted.decision_function(queries[:0]).shape == (0, 3)


@each_voter
def test_scale_of_clips_does_not_matter_to_the_discriminant(voter):
    x, y = noisy_clips(0, (4, 3, 5))
    queries, _ = noisy_clips(1, (5, 5, 5))
    fitted = clone(voter).fit(x, y)
    np.testing.assert_allclose(
        fitted.decision_function(7 * queries), fitted.decision_function(queries), rtol=1e-5, atol=1e-5
    )


@each_voter
@pytest.mark.parametrize("counts", [(1, 1, 1), (1, 3, 1), (2, 1, 2), (5, 1)])
def test_small_supports(voter, counts):
    x, y, queries, truth = same_classes(0, counts, 40, noise=0.3)
    fitted = clone(voter).fit(x, y)
    p = fitted.predict_proba(queries)
    assert np.isfinite(p).all()
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-5)
    assert fitted.score(queries, truth) > 0.9
    assert len(fitted.left_out_p_) == sum(count for count in counts if count > 1)


@each_voter
@pytest.mark.parametrize("kind", ["equal clips", "zeros", "one head, one dimension"])
def test_degenerate_vectors_give_finite_scores(voter, kind):
    x = {
        "equal clips": np.ones((6, 3, 4)),
        "zeros": np.zeros((6, 3, 4)),
        "one head, one dimension": np.arange(1.0, 7.0).reshape(6, 1, 1),
    }[kind]
    fitted = clone(voter).fit(x, [0, 0, 0, 1, 1, 1])
    assert np.isfinite(fitted.decision_function(x)).all()


@each_voter
def test_sixteen_bit_vectors(voter):
    x, y, queries, truth = same_classes(1, (5, 5, 5), 40, noise=0.5)
    half = clone(voter).fit(torch.from_numpy(x).to(torch.bfloat16), y)
    assert half.score(torch.from_numpy(queries).to(torch.bfloat16), truth) > 0.95


@each_voter
def test_saved_and_loaded_it_predicts_the_same(voter, tmp_path):
    x, y, queries, _ = same_classes(2, (4, 4, 4), 10, noise=1.0)
    labels = np.array(["a", "b", "c"])[y]
    fitted = clone(voter).fit(x, labels)
    name = method_of("any", voter)
    Classifier({name: fitted}, ("a", "b", "c"), {}, {}).save(tmp_path / "c.safetensors")
    again = load_classifier(tmp_path / "c.safetensors").voters[name]
    np.testing.assert_array_equal(again.decision_function(queries), fitted.decision_function(queries))
    np.testing.assert_array_equal(again.prediction_sets(queries), fitted.prediction_sets(queries))
    assert again.get_params() == fitted.fitted_params()


@each_voter
def test_prediction_sets_hold_the_truth_as_often_as_asked(voter):
    # 20 draws of 40 support clips: leave-one-out has no guarantee, so a margin is left.
    inside = []
    for seed in range(20):
        x, y, queries, truth = same_classes(seed, (10, 10, 10, 10), 25, noise=2.0)
        sets = clone(voter).fit(x, y).prediction_sets(queries, coverage=0.8)
        inside.append(sets[np.arange(100), truth].mean())
    assert 0.76 < np.mean(inside) < 0.97


@pytest.mark.parametrize("counts", [(4, 3, 5), (3, 1, 3), (12, 11, 4)])
def test_left_out_votes_against_loops(counts):
    # Cosines by refits without each fold, weights by margins of the other classes' clips, in plain NumPy.
    x, y = noisy_clips(7, counts, noise=1.2)
    support, auto = gather_support(x, y), CalmAuto()
    places = clip_places(support)
    clips = folded_clips(support, places)
    fold, can = clips.fold_N.numpy(), clips.can_N.numpy()
    cosines = np.empty((len(x), 6, 3))
    for n, h in np.ndindex(len(x), 6):
        rest = (fold != fold[n]) | ~can
        cosines[n, h] = slow_cosines(x[rest][:, h], y[rest], 3, x[n, h], 0.3)
    p = np.exp(cosines / 0.1) / np.exp(cosines / 0.1).sum(-1, keepdims=True)
    own = np.take_along_axis(p, y[:, None, None], -1)[..., 0]
    rivals = np.where(np.eye(3, dtype=bool)[y][:, None], 0, p).max(-1)
    margins = np.maximum(0, own - rivals)
    auto.fit_support(support)
    votes = auto._left_out_votes(support, clips, places).votes_NPC
    np.testing.assert_allclose(auto.reliability_, margins[can].mean(0), rtol=1e-4)
    for n, (place, power) in itertools.product(range(len(x)), enumerate(POWERS)):
        r = margins[can & (y != y[n])].mean(0) ** power
        expected = (r / r.sum()) @ cosines[n]
        np.testing.assert_allclose(votes[n, place], expected, rtol=1e-4, atol=1e-6)


@each_voter
def test_heads_one_at_a_time(voter, monkeypatch):
    x, y = noisy_clips(7, (4, 3, 5), noise=1.2)
    together = clone(voter).fit(x, y)
    for module in ("auto", "gram"):
        monkeypatch.setattr(f"calm_pl.voters.{module}._BLOCK", 1)
    monkeypatch.setattr("calm_pl.voters.gram._LEAST_HEADS", 1)
    alone = clone(voter).fit(x, y)
    for name in voter.fitted_forms:
        torch.testing.assert_close(getattr(alone, name), getattr(together, name), rtol=1e-6, atol=1e-7)


@each_voter
def test_order_of_heads(voter):
    x, y = noisy_clips(3, (4, 4, 4), noise=1.5)
    queries, _ = noisy_clips(4, (3, 3, 3))
    order = np.random.default_rng(0).permutation(6)
    expected = clone(voter).fit(x, y).decision_function(queries)
    found = clone(voter).fit(x[:, order], y).decision_function(queries[:, order])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@each_voter
def test_classes_that_support_clips_have_too_do_not_count_against_it(voter):
    # Every clip of a pair is both: judged among all classes half are wrong, whatever the fit.
    rng = np.random.default_rng(0)
    directions = rng.standard_normal((4, 6, 4))
    y = np.repeat(np.arange(4), 6)
    partner = y ^ 1
    x = directions[y] + directions[partner] + 0.3 * rng.standard_normal((24, 6, 4))
    also = torch.from_numpy(np.eye(4, dtype=bool)[partner])
    found = clone(voter).fit_support(gather_support(x, y, also_NC=also))
    rivals = clone(voter).fit_support(gather_support(x, y))
    assert float(found.left_out_p_.mean()) > 0.9
    assert float(rivals.left_out_p_.mean()) < 0.6


def test_logistic_regression_takes_part_where_clips_are_few(monkeypatch):
    x, y = noisy_clips(0, (4, 4), noise=1.5)
    few = CalmAuto().fit(x, y)
    monkeypatch.setattr("calm_pl.voters.linear.LOGISTIC_SHOTS", 3)
    torch.testing.assert_close(CalmAuto().fit(x, y).bias_, few.bias_)
    monkeypatch.setattr("calm_pl.voters.linear.LOGISTIC_CLIPS", (7, 1000))
    many = CalmAuto().fit(x, y)
    assert (few.bias_ - many.bias_).abs().max() > 1e-4
    assert few.power_ == many.power_


def test_heads_that_know_nothing_lose_their_weight():
    x, y, queries, truth = same_classes(3, (8, 8, 8), 50, noise=1.0, junk=150)
    auto = CalmAuto().fit(x, y)
    assert float(auto.weights_[:6].sum()) > 8 * 6 / 156
    assert auto.power_ > 0
    accuracy = auto.score(queries, truth)
    assert accuracy > CalmGlobal().fit(x, y).score(queries, truth)
    assert accuracy > Gda().fit(x, y).score(queries, truth)
    assert accuracy >= Sav().fit(x, y).score(queries, truth) - 0.02


def test_what_was_chosen_is_told():
    x, y = noisy_clips(4, (6, 6, 6), noise=1.5)
    auto = CalmAuto().fit(x, y)
    assert auto.power_ in POWERS
    assert 0 < auto.share_ < 1
    assert min(RHOS) < auto.rho_ < max(RHOS)
    assert float(auto.weights_.sum()) == pytest.approx(1)
    assert auto.reliability_.shape == (6,)


def test_one_clip_a_class_takes_the_defaults():
    x, y = noisy_clips(5, (1, 1, 1))
    auto = CalmAuto().fit(x, y)
    assert (auto.power_, auto.rho_, auto.share_) == (0, 1, pytest.approx(2 / 3))
    torch.testing.assert_close(auto.weights_, torch.full((6,), 1 / 6))
    # Nothing is known of coverage: every class is in.
    assert auto.prediction_sets(x).all()


def test_heldout_clips_are_refused():
    x, y = noisy_clips(0, (3, 3))
    with pytest.raises(ValueError, match="no `heldout`"):
        CalmAuto().fit(x, y, heldout=(x, y))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tau_p": 0}, "tau_p"),
        ({"whitening_shrinkage": 0}, "above 0"),
        ({"whitening_shrinkage": 1.5}, "at most 1"),
    ],
)
def test_bad_parameters_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        CalmAuto(**options)


@each_voter
def test_an_unfitted_voter_says_so(voter):
    with pytest.raises(ValueError, match="not fitted"):
        clone(voter).predict(np.ones((1, 6, 4)))
