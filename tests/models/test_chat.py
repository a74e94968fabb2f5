"""Prompts by chat template: special tokens once, inputs checked, and clips that are too short."""

import numpy as np
import pytest
import torch
from tiny_families import build_audio_flamingo_3, build_granite_speech
from tokenizers.processors import TemplateProcessing

from calm_pl import FrozenLALM
from calm_pl.errors import ModelError
from calm_pl.models.collate import together
from calm_pl.models.families.table import Family
from calm_pl.models.loading import make_preparer

QUESTION = "Which one?"


@pytest.fixture(scope="module")
def lalm(tmp_path_factory):
    return FrozenLALM.from_pretrained(str(build_audio_flamingo_3(tmp_path_factory.mktemp("chat") / "model")))


@pytest.mark.parametrize("in_template", [True, False])
def test_the_first_token_is_there_once(tmp_path, in_template):
    """Whether the template writes it or the tokenizer adds it."""
    lalm = FrozenLALM.from_pretrained(str(build_audio_flamingo_3(tmp_path / "model")))
    processor, tokenizer = lalm.preparer.processor, lalm.preparer.tokenizer
    start = tokenizer.convert_tokens_to_ids("<|endoftext|>")
    adding = TemplateProcessing(single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", start)])
    tokenizer.backend_tokenizer.post_processor = adding
    tokenizer.bos_token = "<|endoftext|>"
    if in_template:
        processor.chat_template = "{{ bos_token }}" + processor.chat_template
    wave = np.ones(9_000, dtype=np.float32)
    ids = lalm.preparer([wave], [QUESTION])["input_ids"][0].tolist()
    assert ids[0] == start
    assert ids.count(start) == 1


def test_a_clip_that_is_too_short(lalm):
    with pytest.raises(ModelError, match=r"0\.040 s is too short"):
        lalm.preparer([np.ones(640, dtype=np.float32)], [QUESTION])


def test_a_clip_longer_than_the_model_hears(lalm):
    with pytest.raises(ModelError, match=r"lasts 12\.00 s at 16000 Hz, over the model's window"):
        lalm.preparer([np.ones(16_000 * 12, dtype=np.float32)], [QUESTION])


@pytest.mark.parametrize("side", ["left", "right"])
def test_single_clips_become_a_batch(lalm, side, monkeypatch):
    monkeypatch.setattr(lalm.preparer.tokenizer, "padding_side", side)
    ids = [torch.tensor([[5, 6, 7]]), torch.tensor([[8]])]
    parts = [
        {"input_ids": i, "attention_mask": torch.ones_like(i), "features": torch.ones(1, 2, t)}
        for i, t in zip(ids, (1, 3), strict=True)
    ]
    batch = together(lalm.preparer.tokenizer, parts)
    pad = lalm.preparer.tokenizer.pad_token_id
    assert batch["input_ids"].tolist() == [[5, 6, 7], [pad, pad, 8] if side == "left" else [8, pad, pad]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [0, 0, 1] if side == "left" else [1, 0, 0]]
    assert batch["features"].tolist() == [[[1, 0, 0]] * 2, [[1, 1, 1]] * 2]


def test_options_of_different_number_are_refused(lalm):
    wave = np.ones(9_000, dtype=np.float32)
    inputs = lalm.preparer([wave, wave], [QUESTION] * 2)
    with pytest.raises(ModelError, match=r"have \[2, 1\]"):
        lalm.option_text_scores(inputs, [["dog", "rain"], ["dog"]])
    with pytest.raises(ModelError, match="An option is empty"):
        lalm.option_text_scores(inputs, [["dog", ""], ["dog", "rain"]])


def test_an_answer_ends_at_the_end_token(lalm, monkeypatch):
    """The first token that the model would say is made its end token: nothing is said."""
    inputs = lalm.preparer([np.ones(9_000, dtype=np.float32)], [QUESTION])
    first = int(lalm(inputs).logits_NV.argmax())
    assert lalm.generate(inputs, 3)
    monkeypatch.setattr(lalm.model.generation_config, "eos_token_id", [first, 2])
    assert lalm.generate(inputs, 3) == [""]


def test_a_template_without_a_place_for_a_system_prompt_is_refused(tmp_path):
    folder = build_audio_flamingo_3(tmp_path / "model")
    template = folder / "chat_template.jinja"
    only_user = "{% for message in messages if message['role'] == 'user' %}"
    template.write_text(template.read_text().replace("{% for message in messages %}", only_user))
    assert QUESTION in FrozenLALM.from_pretrained(str(folder)).preparer.prompt(QUESTION)
    with pytest.raises(ModelError, match=r"model\.system_prompt: .* has no place for a system prompt"):
        FrozenLALM.from_pretrained(str(folder), system_prompt="Be brief.")


def test_a_foreign_preparer_without_system_prompts_is_refused_by_name():
    class Foreign:
        pass

    family = Family("Any", lambda processor: Foreign())
    assert isinstance(make_preparer("path", family, None), Foreign)
    with pytest.raises(ModelError, match=r"model\.system_prompt: Foreign has no use_system_prompt"):
        make_preparer("path", family, None, "Be brief.")


def test_a_base_model_is_doubted(lalm, monkeypatch):
    end = lalm.preparer.tokenizer.convert_tokens_to_ids("<|endoftext|>")
    monkeypatch.setattr(lalm.model.generation_config, "eos_token_id", end)
    (doubt,) = lalm.doubts()
    assert "ends an answer with '<|im_end|>', its generation settings with '<|endoftext|>'" in doubt
    assert "base model" in doubt
    monkeypatch.setattr(lalm.model.generation_config, "eos_token_id", None)  # nothing is known
    assert lalm.doubts() == []


def test_a_template_that_writes_the_date_is_doubted_unless_told_otherwise(tmp_path):
    folder = build_granite_speech(tmp_path / "model")
    template = folder / "chat_template.jinja"
    dated = "{% if messages[0]['role'] != 'system' %}Today is {{ strftime_now('%d %B %Y') }}.{% endif %}"
    template.write_text(dated + template.read_text())
    (doubt,) = FrozenLALM.from_pretrained(str(folder)).doubts()
    assert "today's date" in doubt
    assert FrozenLALM.from_pretrained(str(folder), system_prompt="Today is Monday.").doubts() == []
