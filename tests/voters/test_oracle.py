"""Settings chosen on the query set: every count is that of a voter fitted with the setting."""

import numpy as np
import pytest
import torch
from head_vectors import noisy_clips

from calm_pl.functional.selection import SettingGrid
from calm_pl.voters import Calm, CalmGlobal, gather_support
from calm_pl.voters.oracle import OracleSearch

GRID = SettingGrid(
    tau_p=(0.03, 0.3),
    tau_w=(0.5, 0.03),
    top_k=(None, 2),
    weight_map=("softmax", "power"),
    shrinkage=(0.0, 4.0),
)
X, Y = noisy_clips(1, (5, 4, 6), noise=1.5)
QUERIES, TRUTH = noisy_clips(2, (9, 9, 9), noise=1.5)


def search(make, **options):
    voter = make(**options)
    voter.grid = GRID
    support = gather_support(X, Y)
    voter.fit_support(support)
    return OracleSearch(voter, support)


def counted(one, candidates=None):
    one.update(torch.as_tensor(QUERIES), torch.as_tensor(TRUTH), candidates)
    return one.hits_S


@pytest.mark.parametrize("candidates", [None, torch.tensor([[True, False, True]]).repeat(27, 1)])
@pytest.mark.parametrize("split", ["support", "loo"])
@pytest.mark.parametrize("make", [Calm, CalmGlobal])
def test_counts_are_those_of_fitted_voters(make, split, candidates):
    one = search(make, reliability_split=split, tau_p=0.2)
    found = counted(one, candidates).tolist()
    assert len(found) == 1 + 2 * 2 * 2 * 2 * 2
    for setting, hits in zip(one.settings, found, strict=True):
        voter = make(reliability_split=split, **setting._asdict()).fit(X, Y)
        winner_N = voter.vote(torch.as_tensor(QUERIES), candidates).winner_N
        assert hits == (winner_N.numpy() == TRUTH).sum(), setting


@pytest.mark.parametrize("make", [Calm, CalmGlobal])
def test_the_best_is_a_voter_with_its_setting(make):
    one = search(make, select="loo")
    hits = counted(one)
    best = one.best(hits)
    assert best.score(QUERIES, TRUTH) == pytest.approx(float(hits.max()) / len(TRUTH))
    assert best.score(QUERIES, TRUTH) >= one.voter.score(QUERIES, TRUTH)
    setting = one.settings[int(hits.argmax())]
    plain = make(**setting._asdict()).fit(X, Y)
    torch.testing.assert_close(best.weights_, plain.weights_)
    np.testing.assert_array_equal(best.predict(QUERIES), plain.predict(QUERIES))
    assert best.fitted_params() == {**plain.get_params()}


def test_batches_add_up():
    whole, parts = search(Calm), search(Calm)
    counted(whole)
    for n in range(0, len(QUERIES), 4):
        parts.update(torch.as_tensor(QUERIES[n : n + 4]), torch.as_tensor(TRUTH[n : n + 4]))
    torch.testing.assert_close(whole.hits_S, parts.hits_S, rtol=0, atol=0)


def test_the_given_and_the_chosen_setting_are_among_those_tried():
    one = search(Calm, select="loo", tau_p=0.07, tau_w=0.9)
    assert {(s.tau_p, s.tau_w) for s in one.settings} >= {(0.07, 0.9)}
    chosen = one.voter.fitted_params()
    assert any(setting._asdict().items() <= chosen.items() for setting in one.settings)
