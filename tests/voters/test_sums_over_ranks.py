import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from head_vectors import noisy_clips

from calm_pl.voters import Calm, CalmGlobal, Sav, gather_support

CLASSES = [0, 1, 2]
VOTERS = [
    lambda: Sav(top_k=3),
    lambda: CalmGlobal(0.1, top_k=4),
    lambda: Calm(0.1, top_k=4),
    lambda: Calm(0.1, weight_map="power", shrinkage=2.0),
    lambda: Calm(0.1, reliability_split="loo"),
    lambda: CalmGlobal(0.1, reliability_split="loo", reliability="brier"),
]
NAMES = ["sav", "global", "calm", "shrunk", "loo", "global loo"]
SPLITS = {
    "two halves": [range(0, 6), range(6, 12)],
    "every third": [range(0, 12, 3), range(1, 12, 3), range(2, 12, 3)],
    "a rank without clips": [range(0, 5), range(0, 0), range(5, 12)],
    "one rank has all": [range(0, 12), range(0, 0)],
}


class Ranks:
    """Threads that sum tensors as ranks do: nobody goes on before everybody has given theirs."""

    def __init__(self, count):
        self.count = count
        self.barrier = threading.Barrier(count, timeout=20)
        self.given = [None] * count
        self.shapes = [[] for _ in range(count)]

    def run(self, work):
        def one(rank):
            try:
                return work(rank, lambda tensor: self.sum(rank, tensor))
            except BaseException:
                self.barrier.abort()  # or the others would wait for it
                raise

        with ThreadPoolExecutor(self.count) as pool:
            return list(pool.map(one, range(self.count)))

    def sum(self, rank, tensor):
        self.shapes[rank].append(tuple(tensor.shape))
        self.given[rank] = tensor.clone()
        self.barrier.wait()
        total = sum(self.given)
        self.barrier.wait()
        return total


def fit_over_ranks(make, x, y, split, heldout=None, held_split=None):
    ranks = Ranks(len(split))

    def work(rank, all_reduce):
        own = list(split[rank])
        support = gather_support(x[own], y[own], CLASSES, all_reduce)
        if heldout is None:
            return make().fit_support(support)
        held = list(held_split[rank])
        return make().fit_support(support, heldout=(heldout[0][held], heldout[1][held]))

    return ranks.run(work), ranks


def assert_equal_fit(found, expected, queries):
    for name in ("centroids_", "reliability_", "weights_"):
        torch.testing.assert_close(getattr(found, name), getattr(expected, name), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(
        found.decision_function(queries), expected.decision_function(queries), rtol=1e-6, atol=1e-6
    )
    assert found.predict(queries).tolist() == expected.predict(queries).tolist()
    assert found.classes_.tolist() == expected.classes_.tolist()


@pytest.mark.parametrize("make", VOTERS, ids=NAMES)
@pytest.mark.parametrize("split", SPLITS.values(), ids=SPLITS)
def test_every_rank_fits_what_one_rank_would(make, split):
    x, y = noisy_clips(0, (4, 3, 5), dtype=np.float32)
    queries, _ = noisy_clips(1, (4, 4, 4))
    voters, _ = fit_over_ranks(make, x, y, split)
    for voter in voters:
        assert_equal_fit(voter, make().fit(x, y), queries)


@pytest.mark.parametrize("voter_class", [Sav, CalmGlobal, Calm])
def test_held_out_clips_may_be_spread_over_ranks_as_well(voter_class):
    options = {} if voter_class is Sav else {"tau_p": 0.1, "reliability_split": "heldout"}
    x, y = noisy_clips(2, (4, 3, 5))
    heldout = noisy_clips(3, (3, 2, 4))
    voters, _ = fit_over_ranks(
        lambda: voter_class(**options),
        x,
        y,
        SPLITS["every third"],
        heldout,
        [range(0, 4), range(4, 9), range(0)],
    )
    expected = voter_class(**options).fit(x, y, heldout=heldout)
    for voter in voters:
        assert_equal_fit(voter, expected, x)


def test_a_class_whose_clips_lie_on_one_rank():
    x, y = noisy_clips(4, (4, 3, 5))
    split = [np.flatnonzero(y == 0), np.flatnonzero(y != 0)]
    voters, _ = fit_over_ranks(Calm, x, y, split)
    for voter in voters:
        assert_equal_fit(voter, Calm().fit(x, y), x)


def test_two_clips_of_a_class_on_two_ranks_are_not_alone():
    # Leave-one-out must count the clips of all ranks: neither is a single-clip class.
    x, y = noisy_clips(5, (2, 4, 3))
    first, second = np.flatnonzero(y == 0)
    split = [[first, *np.flatnonzero(y == 1)], [second, *np.flatnonzero(y == 2)]]
    voters, _ = fit_over_ranks(lambda: Calm(0.1, reliability_split="loo"), x, y, split)
    for voter in voters:
        assert_equal_fit(voter, Calm(0.1, reliability_split="loo").fit(x, y), x)


@pytest.mark.parametrize("make", VOTERS, ids=NAMES)
def test_only_sums_cross_ranks_in_the_same_order_everywhere(make):
    # 6 and 7 clips on the ranks, 3 classes, 5 heads, 2 dimensions: no tensor that crosses grows with clips.
    x, y = noisy_clips(6, (5, 4, 4), heads=5, dim=2)
    _, ranks = fit_over_ranks(make, x, y, [range(0, 6), range(6, 13)])
    assert ranks.shapes[0] == ranks.shapes[1]
    assert set(ranks.shapes[0]) <= {(3, 5, 2), (3,), (3, 5), (5,), ()}
    assert (3, 5, 2) in ranks.shapes[0]


def test_a_class_without_clips_on_any_rank_is_named_on_every_rank():
    x, y = noisy_clips(7, (3, 3))
    ranks = Ranks(2)

    def work(rank, all_reduce):
        with pytest.raises(ValueError, match=r"got none for \[2\]"):
            gather_support(x[rank::2], y[rank::2], CLASSES, all_reduce)

    ranks.run(work)
