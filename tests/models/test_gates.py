"""Heads switched off, on every family: against no mask, zeroed columns of o_proj, passes without a cache."""

from pathlib import Path

import numpy as np
import pytest
import torch
from test_families import needed
from tiny_families import BUILDERS

from calm_pl import FrozenLALM
from calm_pl.functional.masks import random_mask
from calm_pl.models.gates import HeadGates, SteppedLayers
from calm_pl.models.heads import output_projections
from calm_pl.models.masks import HeadMask

QUESTIONS = ["What? A. dog B. rain", "Which one?"]


@pytest.fixture(scope="module", params=[needed(name) for name in BUILDERS])
def family(request, tmp_path_factory):
    folder = BUILDERS[request.param](Path(tmp_path_factory.mktemp("family")) / request.param)
    return FrozenLALM.from_pretrained(str(folder))


@pytest.fixture
def masked(family):
    """The family's model, and its inputs; without a mask again afterwards."""
    rng = np.random.default_rng(0)
    waves = [0.1 * rng.standard_normal(n).astype(np.float32) for n in (20_011, 9_001)]
    yield family, family.preparer(waves, QUESTIONS)
    family.use_mask(None)


def half(lalm, seed=0):
    layers, heads, _ = lalm.layout
    drawn = random_mask(layers, heads, layers * heads // 2, torch.Generator().manual_seed(seed))
    return HeadMask(drawn)


def test_a_mask_of_ones_changes_no_bit(masked):
    lalm, inputs = masked
    before, said = lalm(inputs), lalm.generate(inputs, 4)
    lalm.use_mask(HeadMask(torch.ones(lalm.layout[:2], dtype=torch.bool)))
    after = lalm(inputs)
    assert torch.equal(after.vectors_NHD, before.vectors_NHD)
    assert torch.equal(after.logits_NV, before.logits_NV)
    assert lalm.generate(inputs, 4) == said


def test_heads_off_are_zeroed_columns_of_o_proj(masked):
    lalm, inputs = masked
    mask = half(lalm)
    whole = lalm(inputs).logits_NV
    lalm.use_mask(mask)
    found, said = lalm(inputs), lalm.generate(inputs, 4)
    scores = lalm.answer_scores(inputs, ["dog rain", "zero"]).log_p_NS
    lalm.use_mask(None)
    assert not torch.allclose(found.logits_NV, whole, atol=1e-4)
    assert torch.equal(lalm(inputs).logits_NV, whole)  # nothing of it stays behind

    kept = [projection.weight.detach().clone() for projection in output_projections(lalm.decoder)]
    dim = lalm.layout.head_dim
    with torch.no_grad():
        for projection, on_A in zip(output_projections(lalm.decoder), mask.on_LA, strict=True):
            for head in (~on_A).nonzero().flatten().tolist():
                projection.weight[:, head * dim : (head + 1) * dim] = 0
    try:
        zeroed = lalm(inputs)
        assert torch.equal(zeroed.logits_NV, found.logits_NV)
        assert lalm.generate(inputs, 4) == said
        assert torch.equal(lalm.answer_scores(inputs, ["dog rain", "zero"]).log_p_NS, scores)
    finally:
        with torch.no_grad():
            for projection, weight in zip(output_projections(lalm.decoder), kept, strict=True):
                projection.weight.copy_(weight)
    # A head's vector is caught behind the mask; in the first layer nothing came before it.
    off_H = ~mask.on_LA.flatten()
    assert not found.vectors_NHD[:, off_H].any()
    first_A = mask.on_LA[0]
    heads = len(first_A)
    assert torch.equal(found.vectors_NHD[:, :heads][:, first_A], zeroed.vectors_NHD[:, :heads][:, first_A])


def test_decoding_with_and_without_a_cache_agrees_under_a_mask(masked):
    lalm, inputs = masked
    lalm.use_mask(half(lalm, 1))
    answers = [["dog rain", "zero"], ["zero one two", "rain"]]
    cached_NO = lalm.option_text_scores(inputs, [list(pair) for pair in zip(*answers, strict=True)])
    for o, texts in enumerate(answers):
        scores = lalm.answer_scores(inputs, texts)
        words_N = scores.real_NS.sum(1) - 1  # the end token is no part of an option
        for n in range(2):
            log_p = float(scores.log_p_NS[n, : words_N[n]].mean())
            assert float(cached_NO[n, o]) == pytest.approx(log_p, abs=2e-5)


def test_each_row_of_a_batch_may_have_its_own_mask(masked):
    lalm, inputs = masked
    masks = [half(lalm, seed) for seed in (2, 3)]
    gates = HeadGates(lalm.decoder)
    try:
        gates.set(torch.stack([mask.on_LA for mask in masks]).float())
        together = lalm(inputs).logits_NV
        for n, mask in enumerate(masks):
            gates.set(mask.on_LA)
            assert torch.equal(lalm(inputs).logits_NV[n], together[n])
        gates.set(None)
        whole = lalm(inputs).logits_NV
    finally:
        gates.remove()
    assert torch.equal(lalm(inputs).logits_NV, whole)
    assert not torch.allclose(whole, together, atol=1e-4)


def test_checkpointed_layers_give_the_same_gradient(masked):
    lalm, inputs = masked
    slopes = []
    for stepped in (False, True):
        gates, layers = HeadGates(lalm.decoder), SteppedLayers(lalm.decoder) if stepped else None
        mask = half(lalm, 4).on_LA.float().expand(2, -1, -1).clone().requires_grad_()
        gates.set(mask)
        try:
            scores = lalm.answer_scores(inputs, ["dog rain", "zero"])
            (-scores.log_p_NS.sum()).backward()
        finally:
            gates.remove()
            if layers is not None:
                layers.remove()
        slopes.append(mask.grad)
    assert torch.equal(*slopes)
    assert float(slopes[0].abs().amax((1, 2)).min()) > 0
    assert all(parameter.grad is None for parameter in lalm.parameters())
    assert not any("forward" in vars(layer) for layer in lalm.decoder.layers)
    assert not lalm.model.training


def test_the_answer_ends_with_a_token_that_ends_generation(masked):
    from calm_pl.models.answering import end_tokens

    lalm, _ = masked
    assert lalm.preparer.answer_end() in end_tokens(lalm.model, lalm.preparer.tokenizer).tolist()
