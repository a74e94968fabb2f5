"""Qwen2-Audio: heads, positions, padding, trimming, against slow references on a tiny model."""

import numpy as np
import pytest
import torch

from calm_pl import FrozenLALM
from calm_pl.errors import ModelError
from calm_pl.models.families.qwen2_audio import prepare
from calm_pl.models.families.whisper import window_frames
from calm_pl.models.identity import parameters_hash, weights_fingerprint

QUESTIONS = ["What? A. dog B. rain", "Which one?", "What caption does the given audio belong to? A. x B. y"]
LENGTHS = [32_000, 9_001, 1_700]


@pytest.fixture(scope="module")
def waves():
    rng = np.random.default_rng(0)
    return [0.1 * rng.standard_normal(n).astype(np.float32) for n in LENGTHS]


def rotate(x):
    """The rotary embedding's quarter turn: (a, b) becomes (-b, a)."""
    half = x.shape[-1] // 2
    return torch.cat([-x[:, half:], x[:, :half]], -1)


def slow_head_vectors(model, inputs):
    """softmax(q·k/√d)·v of each head at the last token of one unpadded prompt, written out in loops."""
    hidden = {}
    decoder = model.get_decoder()
    handles = [
        layer.self_attn.register_forward_pre_hook(
            lambda module, args, kwargs, i=i: hidden.__setitem__(i, kwargs), with_kwargs=True
        )
        for i, layer in enumerate(decoder.layers)
    ]
    model(**inputs)
    for handle in handles:
        handle.remove()
    vectors = []
    for i, layer in enumerate(decoder.layers):
        attention, states = layer.self_attn, hidden[i]["hidden_states"][0]
        cos, sin = (part[0] for part in hidden[i]["position_embeddings"])
        heads, d = model.config.text_config.num_attention_heads, attention.head_dim
        q = attention.q_proj(states).view(len(states), -1, d)
        k = attention.k_proj(states).view(len(states), -1, d)
        v = attention.v_proj(states).view(len(states), -1, d)
        group = heads // k.shape[1]
        for a in range(heads):
            q_a = q[:, a] * cos + rotate(q[:, a]) * sin
            k_a = k[:, a // group] * cos + rotate(k[:, a // group]) * sin
            scores = torch.stack([q_a[-1] @ k_a[t] / d**0.5 for t in range(len(states))])
            vectors.append(torch.softmax(scores, 0) @ v[:, a // group])
    return torch.stack(vectors)


def test_layout_comes_from_the_decoder(lalm):
    assert lalm.layout == (4, 8, 16)
    assert lalm.layout.num_heads == 32


def test_the_7b_has_1024_heads_of_128():
    from transformers import Qwen2AudioConfig, Qwen2AudioForConditionalGeneration

    from calm_pl.models.heads import head_layout

    text = {
        **{"model_type": "qwen2", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32},
        **{"num_key_value_heads": 32, "intermediate_size": 11_008, "vocab_size": 156_032},
    }
    with torch.device("meta"):  # shapes without weights
        model = Qwen2AudioForConditionalGeneration(Qwen2AudioConfig(text_config=text))
    layout = head_layout(model.get_decoder())
    assert layout == (32, 32, 128)
    assert layout.num_heads == 1024


def test_head_vectors_equal_attention_written_out(lalm, waves):
    inputs = lalm.preparer(waves[:1], QUESTIONS[:1])
    with torch.no_grad():
        expected = slow_head_vectors(lalm.model, {**inputs, "position_ids": None})
    torch.testing.assert_close(lalm(inputs).vectors_NHD[0], expected, rtol=1e-4, atol=2e-6)


def test_logits_are_the_last_row_of_the_full_forward(lalm, waves):
    inputs = lalm.preparer(waves[:1], QUESTIONS[:1])
    with torch.no_grad():
        full = lalm.model(**inputs).logits[:, -1]
    torch.testing.assert_close(lalm(inputs).logits_NV, full, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_batch_of_mixed_lengths_equals_its_clips_alone(lalm, waves, side):
    lalm.preparer.processor.tokenizer.padding_side = side
    try:
        together = lalm(lalm.preparer(waves, QUESTIONS))
    finally:
        lalm.preparer.processor.tokenizer.padding_side = "left"
    for n in range(len(waves)):
        alone = lalm(lalm.preparer(waves[n : n + 1], QUESTIONS[n : n + 1]))
        torch.testing.assert_close(together.vectors_NHD[n], alone.vectors_NHD[0], rtol=0, atol=1e-5)
        torch.testing.assert_close(together.logits_NV[n], alone.logits_NV[0], rtol=0, atol=1e-5)


def test_positions_count_the_real_tokens_of_each_prompt(lalm, waves, monkeypatch):
    seen = {}
    forward = lalm.model.model.language_model.forward

    def watched(*args, **kwargs):
        seen.update(kwargs)
        return forward(*args, **kwargs)

    # Wrong positions hardly show in float32 without a cache: rotary embedding is shift-invariant.
    monkeypatch.setattr(lalm.model.model.language_model, "forward", watched)
    inputs = lalm.preparer(waves, QUESTIONS)
    lalm(inputs)
    for row, mask in zip(seen["position_ids"], inputs["attention_mask"], strict=True):
        assert row[mask == 1].tolist() == list(range(int(mask.sum())))
        assert int(row.min()) == 0
    assert inputs["attention_mask"].min() == 0  # there was padding to get wrong


@pytest.mark.parametrize("samples", [1_600, 1_601, 1_759, 1_760, 1_761, 15_999, 31_840, 31_999, 32_000])
def test_trimmed_features_are_the_full_window_prefix_and_change_nothing(lalm, samples):
    wave = np.random.default_rng(1).standard_normal(samples).astype(np.float32)
    trimmed = lalm.preparer([wave], QUESTIONS[:1])
    processor = lalm.preparer.processor
    full = processor(
        text=[lalm.preparer.prompt(QUESTIONS[0])], audio=[wave], sampling_rate=16_000, return_tensors="pt"
    )
    frames = trimmed["input_features"].shape[-1]
    assert frames <= full["input_features"].shape[-1] == 200
    assert torch.equal(trimmed["input_features"], full["input_features"][..., :frames])
    assert torch.equal(trimmed["input_ids"], full["input_ids"])
    with torch.no_grad():
        expected = lalm.model(**full).logits[:, -1]
    torch.testing.assert_close(lalm(trimmed).logits_NV, expected, rtol=0, atol=1e-5)


def test_the_tower_is_left_as_it_was(lalm, waves):
    tower = lalm.model.model.audio_tower
    table = tower.embed_positions
    lalm(lalm.preparer(waves[1:], QUESTIONS[1:]))
    assert tower.embed_positions is table
    assert tower.config.max_source_positions == len(table.weight) == 100


def test_window_frames_is_even_and_leaves_room():
    for frames in range(1, 50):
        assert window_frames(frames) % 2 == 0
        assert window_frames(frames) - frames in (2, 3)


def test_zeroing_a_head_equals_zeroing_its_columns(tiny_folder, waves):
    lalm = FrozenLALM.from_pretrained(str(tiny_folder))
    inputs = lalm.preparer(waves[:1], QUESTIONS[:1])
    projection = lalm.model.get_decoder().layers[-1].self_attn.o_proj
    head = slice(3 * 16, 4 * 16)

    def mute(module, args):
        x = args[0].clone()
        x[..., head] = 0
        return (x,)

    handle = projection.register_forward_pre_hook(mute)
    muted = lalm(inputs).logits_NV
    handle.remove()
    assert not torch.allclose(muted, lalm(inputs).logits_NV)
    with torch.no_grad():
        projection.weight[:, head] = 0
    assert torch.equal(muted, lalm(inputs).logits_NV)


def test_eager_equals_sdpa(tiny_folder, lalm, waves):
    eager = FrozenLALM.from_pretrained(str(tiny_folder), attn="eager")
    inputs = lalm.preparer(waves, QUESTIONS)
    torch.testing.assert_close(eager(inputs).vectors_NHD, lalm(inputs).vectors_NHD, rtol=0, atol=1e-5)


def test_it_hears(lalm, waves):
    silence = np.zeros_like(waves[0])
    heard, deaf = (lalm(lalm.preparer([wave], QUESTIONS[:1])) for wave in (waves[0], silence))
    assert (heard.vectors_NHD - deaf.vectors_NHD).abs().mean() > 0.01


class Faulty:
    """The real processor, whose result is spoilt."""

    def __init__(self, processor, spoil):
        self._processor, self._spoil = processor, spoil

    def __getattr__(self, name):
        return getattr(self._processor, name)

    def __call__(self, **kwargs):
        result = self._processor(**kwargs)
        self._spoil(result)
        return result


def test_a_processor_that_drops_audio_is_refused(lalm, waves):
    deaf = Faulty(lalm.preparer.processor, lambda result: result.pop("input_features"))
    with pytest.raises(ModelError, match="dropped the audio"):
        prepare(deaf)(waves[:1], QUESTIONS[:1])


def test_a_prompt_without_audio_tokens_is_refused(lalm, waves):
    audio = lalm.preparer.processor.audio_token_id
    deaf = Faulty(
        lalm.preparer.processor,
        lambda result: result["input_ids"].masked_fill_(result["input_ids"] == audio, 0),
    )
    with pytest.raises(ModelError, match="no audio tokens"):
        prepare(deaf)(waves[:1], QUESTIONS[:1])


def test_the_last_tokens_are_averaged(tiny_folder, lalm, waves):
    caught = []
    decoder = lalm.model.get_decoder()
    handles = [
        layer.self_attn.o_proj.register_forward_pre_hook(lambda m, args: caught.append(args[0]))
        for layer in decoder.layers
    ]
    inputs = lalm.preparer(waves, QUESTIONS)
    lalm(inputs)
    for handle in handles:
        handle.remove()
    expected = torch.stack([x[:, -3:].mean(1) for x in caught], 1).reshape(3, 32, 16)
    averaging = FrozenLALM.from_pretrained(str(tiny_folder), last_n_tokens=3)
    torch.testing.assert_close(averaging(inputs).vectors_NHD, expected)


def test_nothing_requires_a_gradient_and_the_fingerprint_tells_models_apart(lalm, tmp_path):
    from calm_pl.models.tiny import build_tiny

    assert not any(p.requires_grad for p in lalm.parameters())
    assert not lalm.model.training
    other = FrozenLALM.from_pretrained(str(build_tiny(tmp_path / "other", seed=1, window_seconds=2)))
    assert weights_fingerprint(other.model) != weights_fingerprint(lalm.model)
    assert parameters_hash(other.model) != parameters_hash(lalm.model)
    again = build_tiny(tmp_path / "again", seed=1, window_seconds=2)
    files = ("model.safetensors", "tokenizer.json", "config.json")
    for name in files:
        assert (again / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


def test_the_padding_side_survives_saving(tiny_folder):
    from transformers import AutoProcessor

    assert AutoProcessor.from_pretrained(tiny_folder).tokenizer.padding_side == "left"


def test_every_spelling_of_a_letter_counts(lalm):
    tokenizer = lalm.preparer.processor.tokenizer
    for letter in "ABCD":
        ids = lalm.preparer.option_tokens(letter)
        assert {tokenizer.decode([i]).strip() for i in ids} == {letter}


def test_a_half_precision_model_gives_its_own_dtype_and_float32_logits(tiny_folder, waves):
    lalm = FrozenLALM.from_pretrained(str(tiny_folder), dtype="bfloat16")
    output = lalm(lalm.preparer(waves, QUESTIONS))
    assert output.vectors_NHD.dtype == torch.bfloat16
    assert output.logits_NV.dtype == torch.float32
