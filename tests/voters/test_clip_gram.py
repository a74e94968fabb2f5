"""Inner products of all pairs of clips, and the faster way where classes have many clips."""

import pytest
import torch
from test_sums_over_ranks import SPLITS, Ranks

from calm_pl.functional import unit
from calm_pl.voters import CalmAuto, Gda, gather_support, gram
from calm_pl.voters.gram import clip_gram, clip_places, labelled_gram

CLASSES, HEADS, DIM = 3, 20, 6
WEIGHTS = torch.softmax(torch.randn(HEADS, generator=torch.manual_seed(0)), 0).double()


def clips(spread, shots=8):
    generator = torch.Generator().manual_seed(1)
    y = torch.arange(CLASSES).repeat(shots)
    means = torch.randn(CLASSES, HEADS, DIM, generator=generator)
    return means[y] + spread * torch.randn(len(y), HEADS, DIM, generator=generator), y


@pytest.fixture
def large(monkeypatch):
    """These few clips count as many, a few heads at a time."""
    monkeypatch.setattr(gram, "_MANY", 0)
    monkeypatch.setattr(gram, "_BLOCK", 1)


@pytest.mark.parametrize("spread", [1.0, 1e-4])
def test_products_are_those_of_loops_and_deviations_keep_their_digits(large, spread):
    x, y = clips(spread)
    support = gather_support(x, y.tolist())
    found = labelled_gram(support, clip_places(support), WEIGHTS)
    features = (unit(x) * WEIGHTS.sqrt()[:, None]).flatten(1)
    torch.testing.assert_close(found, features @ features.T, rtol=0, atol=1e-7 * max(spread**2, 1e-8))
    z = features - torch.stack([features[y == c].mean(0) for c in range(CLASSES)])[y]
    centring = torch.eye(len(y)).double() - torch.stack([(y == c).double() / 8 for c in y])
    scatter = centring @ found @ centring.T
    torch.testing.assert_close(scatter, z @ z.T, rtol=0, atol=1e-6 * float(z.square().sum(1).max()))


def test_few_clips_a_class_and_fast_float32_products_take_the_plain_way(large, monkeypatch):
    x, y = clips(1.0, shots=3)
    support = gather_support(x, y.tolist())
    arguments = support, clip_places(support), WEIGHTS
    assert torch.equal(labelled_gram(*arguments), clip_gram(*arguments))
    x, y = clips(1.0)
    support = gather_support(x, y.tolist())
    arguments = support, clip_places(support), WEIGHTS
    assert not torch.equal(labelled_gram(*arguments), clip_gram(*arguments))
    monkeypatch.setattr(torch, "get_float32_matmul_precision", lambda: "high")
    assert torch.equal(labelled_gram(*arguments), clip_gram(*arguments))


@pytest.mark.parametrize("voter", [Gda(), CalmAuto()], ids=repr)
def test_voters_say_the_same_with_either(monkeypatch, voter):
    x, y = clips(1.5)
    queries, _ = clips(1.5, shots=30)
    expected = voter.fit(x, y.tolist()).vote(queries)
    monkeypatch.setattr(gram, "_MANY", 0)
    found = voter.fit(x, y.tolist()).vote(queries)
    assert torch.equal(found.winner_N, expected.winner_N)
    torch.testing.assert_close(found.scores_NC, expected.scores_NC, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", SPLITS)
def test_ranks_have_the_same_products(large, name):
    x, y = clips(1.0, shots=4)
    expected = labelled_gram(*(lambda s: (s, clip_places(s), WEIGHTS))(gather_support(x, y.tolist())))
    ranks = Ranks(len(SPLITS[name]))

    def work(rank, all_reduce):
        own = list(SPLITS[name][rank])
        support = gather_support(x[own], y[own].tolist(), range(CLASSES), all_reduce, rank, len(SPLITS[name]))
        return labelled_gram(support, clip_places(support), WEIGHTS)

    order = [n for own in SPLITS[name] for n in own]
    for found in ranks.run(work):
        torch.testing.assert_close(found, expected[order][:, order], rtol=0, atol=1e-7)
