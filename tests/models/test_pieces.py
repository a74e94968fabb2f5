"""Omni's audio towers attend to all pieces of sound at once: the same vectors from fewer calls."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from tiny_families import BUILDERS
from torch.nn import functional

from calm_pl import FrozenLALM
from calm_pl.models.families import omni
from calm_pl.models.families.pieces import groups_of

LAYERS, TOWER_HEADS = 2, 4  # of the tiny towers; no other part of them has four heads


@pytest.fixture(scope="module", params=["qwen2_5_omni", "qwen3_omni_moe"])
def folder(request, tmp_path_factory):
    return BUILDERS[request.param](tmp_path_factory.mktemp("pieces") / request.param)


@pytest.fixture(scope="module")
def lalm(folder):
    return FrozenLALM.from_pretrained(str(folder))


@pytest.fixture
def calls(monkeypatch):
    """Pieces in each attention call of the tower."""
    seen, attend = [], functional.scaled_dot_product_attention

    def watched(query, *args, **kwargs):
        if query.shape[1] == TOWER_HEADS:
            seen.append(len(query))
        return attend(query, *args, **kwargs)

    monkeypatch.setattr(functional, "scaled_dot_product_attention", watched)
    return seen


def inputs_of(lalm, seconds):
    rng = np.random.default_rng(0)
    waves = [0.1 * rng.standard_normal(int(16_000 * one)).astype(np.float32) for one in seconds]
    return lalm.preparer(waves, ["What is it?"] * len(waves))


def piece_by_piece(monkeypatch):
    monkeypatch.setattr(omni, "attending_at_once", lambda tower: nullcontext())


def test_clips_of_one_length_need_a_call_or_two_a_layer_and_change_nothing(lalm, calls, monkeypatch):
    inputs = inputs_of(lalm, [5.0] * 4)
    ours = lalm(inputs).vectors_NHD
    at_once = list(calls)
    calls.clear()
    piece_by_piece(monkeypatch)
    assert torch.equal(lalm(inputs).vectors_NHD, ours)
    assert set(calls) == {1}
    assert len(at_once) <= 2 * LAYERS < len(calls)
    assert sum(at_once) == len(calls)


def test_clips_of_many_lengths_differ_by_rounding(lalm, calls, monkeypatch):
    inputs = inputs_of(lalm, [5.0, 3.3, 2.0, 9.1, 1.13, 4.4])
    ours = lalm(inputs).vectors_NHD
    assert len(calls) <= 2 * LAYERS
    piece_by_piece(monkeypatch)
    torch.testing.assert_close(ours, lalm(inputs).vectors_NHD, rtol=0, atol=2e-6)


def test_eager_attention_is_left_as_it_is(folder, lalm):
    eager = FrozenLALM.from_pretrained(str(folder), attn="eager")
    inputs = inputs_of(lalm, [5.0, 3.3])
    torch.testing.assert_close(eager(inputs).vectors_NHD, lalm(inputs).vectors_NHD, rtol=0, atol=1e-5)


def test_the_tower_is_itself_again_afterwards(lalm):
    lalm(inputs_of(lalm, [1.5]))
    assert all("forward" not in vars(layer.self_attn) for layer in lalm.model.model.audio_tower.layers)


@pytest.mark.parametrize("lengths", [[4], [3, 3, 3], [4, 4, 1, 4, 2], [1, 2, 3], [4, 0, 4]])
def test_groups_hold_every_row_once(lengths):
    bounds = [0, *np.cumsum(lengths)]
    groups = groups_of(torch.tensor(bounds))
    assert len(groups) <= 2
    rows = torch.cat([one.back_K for one in groups]).tolist()
    assert sorted(rows) == list(range(bounds[-1]))
    for rows_PT, keys_P11T, kept_K, back_K in groups:
        assert torch.equal(rows_PT.flatten()[kept_K], back_K)
        assert (keys_P11T is None) == (len(kept_K) == rows_PT.numel())
        if keys_P11T is not None:
            assert torch.equal(keys_P11T.flatten().nonzero().squeeze(1), kept_K)
