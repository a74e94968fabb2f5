import numpy as np
import pytest
import torch
from head_vectors import noisy_clips
from test_sums_over_ranks import CLASSES, SPLITS, Ranks

from calm_pl.functional.selection import SettingGrid
from calm_pl.voters import Calm, CalmGlobal, gather_support

GRID = SettingGrid(
    tau_p=(0.03, 0.3, 1.0),
    tau_w=(0.5, 0.03),
    top_k=(None, 3, 1),
    weight_map=("softmax", "power"),
    shrinkage=(0.0, 4.0),
)


def small(make, **options):
    voter = make(select="loo", **options)
    voter.grid = GRID
    return voter


def slow_hits(make, x, y, params):
    """Left-out clips that are right, by refits without each clip."""
    hits = 0
    for n in range(len(x)):
        rest = np.arange(len(x)) != n
        hits += make(**params).fit(x[rest], y[rest]).predict(x[n : n + 1])[0] == y[n]
    return hits


@pytest.mark.parametrize("make", [Calm, CalmGlobal])
def test_a_choice_is_better_by_refits_too(make):
    # One head of twelve knows the class; the given setting lets all twelve vote.
    rng = np.random.default_rng(1)
    y = np.repeat(np.arange(3), 6)
    x = rng.standard_normal((18, 12, 4))
    x[:, 5] = 3 * np.eye(4)[y] + 0.5 * x[:, 5]
    voter = small(make, reliability_split="loo").fit(x, y)
    given = make(reliability_split="loo")
    chosen = voter.fitted_params()
    assert chosen != given.get_params()
    assert slow_hits(make, x, y, chosen) > slow_hits(make, x, y, given.get_params())


@pytest.mark.parametrize("make", [Calm, CalmGlobal])
def test_the_given_setting_stays_where_nothing_is_clearly_better(make):
    # Heads that all know the same: every setting is right on every clip.
    y = np.repeat(np.arange(3), 5)
    x = np.repeat(np.eye(4)[y][:, None], 6, axis=1) + 0.01
    voter = small(make, tau_w=0.7, top_k=4).fit(x, y)
    assert voter.fitted_params() == {**voter.get_params(), "select": "none"}


@pytest.mark.parametrize("make", [Calm, CalmGlobal])
def test_the_fit_is_that_of_the_chosen_parameters(make):
    x, y = noisy_clips(1, (4, 5, 3), noise=1.5)
    queries, _ = noisy_clips(2, (4, 4, 4))
    voter = small(make, reliability_split="loo").fit(x, y)
    assert voter.fitted_params()["select"] == "none"
    assert voter.get_params()["select"] == "loo"
    again = make(**voter.fitted_params()).fit(x, y)
    np.testing.assert_array_equal(voter.decision_function(queries), again.decision_function(queries))


@pytest.mark.parametrize("make", [Calm, CalmGlobal])
def test_sparse_weights_are_chosen_where_one_head_knows(make):
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(3), 8)
    x = rng.standard_normal((24, 40, 4))
    x[:, 7] = 4 * np.eye(4)[y] + 0.3 * x[:, 7]
    voter = small(make, reliability_split="loo").fit(x, y)
    w = torch.atleast_2d(voter.weights_)
    assert w[:, 7].min() > 0.3
    assert voter.score(x, y) == 1.0


@pytest.mark.parametrize("make", [Calm, CalmGlobal])
@pytest.mark.parametrize("split", SPLITS.values(), ids=SPLITS)
def test_every_rank_chooses_what_one_rank_would(make, split):
    x, y = noisy_clips(3, (4, 3, 5), noise=1.5, dtype=np.float32)
    ranks = Ranks(len(split))

    def work(rank, all_reduce):
        own = list(split[rank])
        return small(make).fit_support(gather_support(x[own], y[own], CLASSES, all_reduce))

    expected = small(make).fit(x, y)
    for found in ranks.run(work):
        assert found.fitted_params_ == expected.fitted_params_
        torch.testing.assert_close(found.weights_, expected.weights_, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("make", [Calm, CalmGlobal])
def test_small_chunks_choose_the_same(make, monkeypatch):
    x, y = noisy_clips(4, (4, 3, 5), noise=1.5)
    expected = small(make).fit(x, y).fitted_params_
    monkeypatch.setattr("calm_pl.functional.chunks.MAX_BLOCK", 500)
    assert small(make).fit(x, y).fitted_params_ == expected


def test_one_clip_a_class_keeps_the_given_parameters():
    x, y = noisy_clips(5, (1, 1, 1))
    voter = small(Calm, tau_p=0.2).fit(x, y)
    assert voter.fitted_params()["tau_p"] == 0.2


def test_heldout_clips_cannot_be_selected_on():
    x, y = noisy_clips(6, (3, 3))
    with pytest.raises(ValueError, match="select"):
        small(Calm, reliability_split="heldout").fit(x, y, heldout=(x, y))
