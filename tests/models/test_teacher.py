"""Answers scored in one pass, against the model's own passes over growing prompts; gradients of masks."""

import numpy as np
import pytest
import torch

from calm_pl import FrozenLALM
from calm_pl.errors import ModelError
from calm_pl.functional.masks import left_gumbel, sample_masks
from calm_pl.models.gates import HeadGates

ANSWERS = ["dog", "zero one two", "rain x"]
QUESTIONS = ["", "What caption does the given audio belong to?", "Which?"]


@pytest.fixture(scope="module")
def waves():
    rng = np.random.default_rng(0)
    return [0.1 * rng.standard_normal(n).astype(np.float32) for n in (30_011, 9_001, 20_700)]


@pytest.mark.parametrize("side", ["left", "right"])
def test_each_token_follows_those_before_it(lalm, waves, side, monkeypatch):
    monkeypatch.setattr(lalm.preparer.tokenizer, "padding_side", side)
    scores = lalm.answer_scores(lalm.preparer(waves, QUESTIONS), ANSWERS)
    tokenizer, end = lalm.preparer.tokenizer, lalm.preparer.answer_end()
    assert tokenizer.decode([end]) == "<|im_end|>"
    for n, answer in enumerate(ANSWERS):
        ids = [*tokenizer.encode(answer, add_special_tokens=False), end]
        assert scores.real_NS[n].tolist() == [s < len(ids) for s in range(scores.real_NS.shape[1])]
        alone = lalm.preparer.processor(  # the full window, nothing trimmed
            text=[lalm.preparer.prompt(QUESTIONS[n])],
            audio=[waves[n]],
            return_tensors="pt",
            add_special_tokens=False,
        )
        for s, token in enumerate(ids):
            grown = dict(alone)
            said = torch.tensor([ids[:s]], dtype=torch.int64)
            grown["input_ids"] = torch.cat([alone["input_ids"], said], 1)
            grown["attention_mask"] = torch.ones_like(grown["input_ids"])
            with torch.no_grad():
                log_p = torch.log_softmax(lalm.model(**grown).logits[0, -1].float(), -1)
            assert float(scores.log_p_NS[n, s]) == pytest.approx(float(log_p[token]), abs=5e-5)
            assert bool(scores.right_NS[n, s]) == (int(log_p.argmax()) == token)
        assert not scores.log_p_NS[n, len(ids) :].any()
        assert bool(scores.right_NS[n, len(ids) :].all())


def test_an_answer_that_is_all_right_is_what_the_model_says(lalm, waves):
    inputs = lalm.preparer(waves[:1], QUESTIONS[:1])
    said = lalm.generate(inputs, 3)[0]
    scores = lalm.answer_scores(inputs, [said])
    assert scores.right_NS[0, :-1].all()  # all but the end, which was not waited for


@pytest.mark.parametrize("answers", [["dog", "", "x"], ["dog"]])
def test_answers_must_be_there(lalm, waves, answers):
    with pytest.raises(ModelError, match=r"answer, not empty, for each of 3|per clip, 3, but are 1"):
        lalm.answer_scores(lalm.preparer(waves, QUESTIONS), answers)


def test_the_gradient_of_a_soft_mask_by_finite_differences(tiny_folder, waves):
    """Through the whole model, in float64; every fourth head."""
    lalm = FrozenLALM.from_pretrained(str(tiny_folder)).double()
    inputs = lalm.preparer(waves, QUESTIONS)
    layers, heads, _ = lalm.layout
    logits = (0.5 * torch.randn(layers, heads, generator=torch.Generator().manual_seed(0))).requires_grad_()
    noise = left_gumbel((3, layers, heads), torch.Generator().manual_seed(1))
    gates = HeadGates(lalm.decoder)

    def loss(values):
        gates.set(sample_masks(values, noise, 1.0).soft)
        return -lalm.answer_scores(inputs, ANSWERS).log_p_NS.sum()

    loss(logits).backward()
    step = 2e-2
    with torch.no_grad():
        for place in range(0, layers * heads, 4):
            change = torch.zeros(layers * heads)
            change[place] = step
            change = change.reshape(layers, heads)
            expected = float(loss(logits + change) - loss(logits - change)) / (2 * step)
            assert float(logits.grad.flatten()[place]) == pytest.approx(expected, rel=2e-3, abs=2e-4)
    assert float(logits.grad.abs().min()) > 0
