import copy

import numpy as np
import pytest
import torch
from head_vectors import noisy_clips
from test_sums_over_ranks import CLASSES, SPLITS, Ranks

from calm_pl.functional import HeadScorer, chunks
from calm_pl.functional.selection import SettingGrid
from calm_pl.voters import Calm, CalmAuto, CalmGlobal, Gda, Sav, base, gather_support
from calm_pl.voters.many import fit_many, vote_many, with_evidence


def voters():
    """Settings that share much, little or nothing; some twice."""
    made = [Sav(top_k=3), Sav(top_k=None), Sav(top_k=3, score="dot"), CalmAuto(), Gda()]
    for make in (Calm, CalmGlobal):
        made += [make(tau_p, tau_w, k) for tau_p in (0.03, 0.3) for tau_w in (0.1, 0.5) for k in (None, 2)]
        made += [make(0.1, score="dot"), make(0.1, reliability="prob"), make(0.1, reliability="brier")]
        made += [make(0.1, reliability_split="loo"), make(0.1, weight_map="power", shrinkage=2.0)]
        chooses = make(select="loo")
        chooses.grid = SettingGrid((0.03, 0.3), (0.5,), (None, 2), ("softmax",), (0.0,))
        made.append(chooses)
    return made


def clips(seed, counts=(5, 4, 3)):
    x, y = noisy_clips(seed, counts, noise=1.2)
    return torch.from_numpy(x), y


def equal(found, expected):
    assert found.winner_N.tolist() == expected.winner_N.tolist()
    torch.testing.assert_close(found.scores_NC, expected.scores_NC, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("max_block", [None, 60])
@pytest.mark.parametrize("candidates", [False, True])
def test_each_of_many_is_what_it_is_alone(monkeypatch, max_block, candidates):
    if max_block is not None:
        monkeypatch.setattr(chunks, "MAX_BLOCK", max_block)
    (x, y), (queries, _) = clips(1), clips(2, (6, 6, 6))
    allowed = torch.rand(len(queries), 3, generator=torch.manual_seed(0)) < 0.6 if candidates else None
    if allowed is not None:
        allowed[:, 0] |= ~allowed.any(1)
    some = voters()
    fit_many(some, gather_support(x, y))
    for voter, alone, decision in zip(some, voters(), vote_many(some, queries, allowed), strict=True):
        alone.fit(x, y)
        assert voter.fitted_params() == alone.fitted_params()
        for name, tensor in alone.fitted_state().items():
            torch.testing.assert_close(voter.fitted_state()[name], tensor, rtol=1e-6, atol=1e-7)
        equal(decision, alone.vote(queries, allowed))


def test_evidence_of_several_voters_is_summed_in_one_pass(monkeypatch):
    x, y = clips(1)
    some = [Sav(top_k=3), Calm(0.1), CalmGlobal(0.3, reliability="prob"), Calm(0.1, top_k=2)]
    alone = [copy.copy(voter).fit(x, y) for voter in some]
    support = with_evidence(some, gather_support(x, y))

    def refuse(*args):
        raise AssertionError("the support was scored again")

    monkeypatch.setattr("calm_pl.voters.evidence.HeadScorer", refuse)
    for voter, expected in zip(some, alone, strict=True):
        voter.fit_support(support)
        for name, tensor in expected.fitted_state().items():
            assert torch.equal(voter.fitted_state()[name], tensor)
    with pytest.raises(AssertionError, match="scored again"):
        Calm(0.2).fit_support(support)
    with pytest.raises(AssertionError, match="scored again"):
        Calm(0.1, reliability_split="heldout").fit_support(support, (x, y))


def test_some_of_them_with_held_out_clips():
    (x, y), held, (queries, _) = clips(1), clips(3), clips(2)
    kinds = [
        Calm(0.1),
        Calm(0.1, reliability_split="heldout"),
        CalmGlobal(0.1, reliability_split="heldout"),
        Sav(),
    ]
    fit_many(kinds, gather_support(x, y), held)
    expected = [
        Calm(0.1).fit(x, y),
        Calm(0.1, reliability_split="heldout").fit(x, y, held),
        CalmGlobal(0.1, reliability_split="heldout").fit(x, y, held),
        Sav().fit(x, y),
    ]
    for decision, alone in zip(vote_many(kinds, queries), expected, strict=True):
        equal(decision, alone.vote(queries))


def test_held_out_clips_that_are_lacking_are_told():
    x, y = clips(1)
    with pytest.raises(ValueError, match="`heldout` clips"):
        fit_many([Calm(reliability_split="heldout")], gather_support(x, y))


@pytest.mark.parametrize("name", SPLITS)
def test_ranks_change_nothing(name):
    (x, y), (queries, _) = clips(4, (4, 4, 4)), clips(5)
    # Voters that compare clips of different ranks are tested on their own.
    kinds = lambda: [v for v in voters() if not isinstance(v, (CalmAuto, Gda))]  # noqa: E731
    alone = kinds()
    fit_many(alone, gather_support(x, y))
    ranks = Ranks(len(SPLITS[name]))

    def work(rank, all_reduce):
        own = list(SPLITS[name][rank])
        some = kinds()
        fit_many(some, gather_support(x[own], y[own], CLASSES, all_reduce))
        return some

    for some in ranks.run(work):
        for found, expected in zip(vote_many(some, queries), vote_many(alone, queries), strict=True):
            equal(found, expected)


def test_scores_are_computed_once_for_the_whole_grid(monkeypatch):
    x, y = clips(1)
    made, scored = [], []
    make, score = HeadScorer.__init__, HeadScorer._products
    monkeypatch.setattr(HeadScorer, "__init__", lambda *args: made.append(args[2]) or make(*args))
    monkeypatch.setattr(
        HeadScorer, "_products", lambda *args: scored.append(args[1].shape[1]) or score(*args)
    )
    grid = [
        kind(tau_p, 0.5, k) for kind in (Calm, CalmGlobal) for tau_p in (0.03, 0.1, 1.0) for k in (2, 3, 4)
    ]
    fit_many(grid, gather_support(x, y))
    vote_many(grid, x)
    assert made == ["cosine", "cosine"]  # for the fit and for votes
    assert scored == [len(x), len(x)]  # support, query
    assert len({tuple(np.asarray(voter.weights_).ravel()) for voter in grid}) == len(grid)


def test_no_clip_and_no_voter():
    x, y = clips(1)
    some = [Sav(), Calm(), Gda()]
    fit_many(some, gather_support(x, y))
    assert [tuple(d.scores_NC.shape) for d in vote_many(some, x[:0])] == [(0, 3)] * 3
    assert vote_many([], x) == []


def test_a_scorer_is_kept_until_the_next_fit(monkeypatch):
    x, y = clips(1)
    other = clips(2)
    made, make = [], HeadScorer.__init__
    monkeypatch.setattr(HeadScorer, "__init__", lambda *args: made.append(1) or make(*args))
    for voter in (Calm(), Sav(2)):
        voter.fit(x, y)
        made.clear()
        voter.vote(x)
        voter.vote(x)
        assert len(made) == 1
        voter.fit(*other)
        again = type(voter)(**voter.get_params()).fit(*other)
        assert torch.equal(voter.vote(x).scores_NC, again.vote(x).scores_NC)


def test_scorers_of_many_rounds_keep_within_a_bound(monkeypatch):
    x, y = clips(1)
    rounds = [Calm().fit(x, y) for _ in range(4)]
    expected = [voter.vote(x).scores_NC for voter in rounds]
    size = rounds[0].scorer().num_bytes
    base._SCORERS.clear()
    monkeypatch.setattr(base, "_MOST_KEPT", 2 * size)
    for voter, scores in zip(rounds, expected, strict=True):
        assert torch.equal(voter.vote(x).scores_NC, scores)
    assert len(base._SCORERS) == 2
