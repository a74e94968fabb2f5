"""Heads that a mask switched off have zero vectors: voters decide as if they were not there."""

import copy

import numpy as np
import pytest
import torch

from calm_pl import Calm, CalmAuto, CalmGlobal, Gda, Sav
from calm_pl.functional import head_weights, top_heads

OFF = [1, 4]
ON = [0, 2, 3, 5]
VOTERS = [
    Sav(3),
    Sav(20),
    Sav(None, score="dot"),
    CalmGlobal(),
    Calm(),
    Calm(top_k=5),
    Calm(weight_map="power"),
    Calm(score="dot"),
    Calm(reliability_split="loo"),
    CalmAuto(),
    Gda(),
]


@pytest.fixture(scope="module")
def clips():
    generator = torch.Generator().manual_seed(0)
    labels = [n % 4 for n in range(40)]
    means = torch.randn(4, 6, 5, generator=generator)
    x = torch.randn(40, 6, 5, generator=generator) + 0.7 * means[torch.tensor(labels)]
    masked = x.clone()
    masked[:, OFF] = 0
    return masked, x[:, ON], labels


@pytest.mark.parametrize("voter", VOTERS, ids=repr)
def test_a_head_that_is_off_is_as_good_as_absent(clips, voter):
    masked, fewer, labels = clips
    with_off, without = copy.deepcopy(voter).fit(masked, labels), copy.deepcopy(voter).fit(fewer, labels)
    torch.testing.assert_close(
        with_off.predict_proba(masked), without.predict_proba(fewer), rtol=0, atol=1e-6
    )
    assert np.array_equal(with_off.predict(masked), without.predict(fewer))
    assert with_off.score(masked, labels) > 0.7


@pytest.mark.parametrize("voter", [Sav(20), CalmGlobal(), Calm()], ids=repr)
def test_it_has_no_weight(clips, voter):
    masked, _, labels = clips
    weights = copy.deepcopy(voter).fit(masked, labels).weights_
    assert not weights[..., OFF].any()
    assert (weights[..., ON] > 0).all()
    torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights.sum(-1)))


@pytest.mark.parametrize("voter", VOTERS, ids=repr)
def test_with_every_head_off_all_classes_are_alike(clips, voter):
    masked, _, labels = clips
    nothing = torch.zeros_like(masked)
    p_NC = copy.deepcopy(voter).fit(nothing, labels).predict_proba(nothing)
    assert torch.isfinite(p_NC).all()
    assert (p_NC == p_NC[:1]).all()


def test_only_live_heads_are_kept():
    r = torch.tensor([[0.1, 0.9, 0.5, 0.9], [0.0, 0.2, 0.0, 0.0]])
    live = torch.tensor([True, False, True, True])
    assert top_heads(r, None, live).tolist() == [[3, 2, 0], [0, 2, 3]]
    assert top_heads(r, 2, live).tolist() == [[3, 2], [0, 2]]
    power = head_weights(r, 2, 0.5, "power", live)
    expected = torch.tensor([[0, 0, 0.25 / 1.06, 0.81 / 1.06], [0.5, 0, 0.5, 0]])
    torch.testing.assert_close(power, expected)
