"""Qwen2.5-Omni: attention written out, sound within video, and the features it is given."""

import itertools
import shutil

import numpy as np
import pytest
import torch

from calm_pl import FrozenLALM
from calm_pl.errors import ModelError
from calm_pl.models.checks import sample_clips
from calm_pl.models.tiny_omni import build_tiny_omni

QUESTIONS = ["What? A. dog B. rain", "Which one?", "What caption does the given audio belong to? A. x B. y"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return build_tiny_omni(tmp_path_factory.mktemp("models") / "omni")


@pytest.fixture(scope="module")
def lalm(folder):
    return FrozenLALM.from_pretrained(str(folder))


@pytest.fixture(scope="module")
def waves(lalm):
    return sample_clips(lalm.preparer)


@pytest.fixture(scope="module")
def videos():
    """Of different lengths, sizes and frame rates; 3 frames are an odd number."""
    rng = np.random.default_rng(0)
    shapes = (((6, 56, 84), 2.0), ((4, 40, 40), 4.0), ((3, 56, 56), 1.0))
    return [(rng.integers(0, 256, (*shape, 3), dtype=np.uint8), rate) for shape, rate in shapes]


def quarter_turn(x):
    half = x.shape[-1] // 2
    return torch.cat([-x[..., half:], x[..., :half]], -1)


def slow_head_vectors(model, inputs, **extra):
    """softmax(q·k/√d)·v of each head at the last token of one unpadded prompt, written out in loops.

    Each pair of rotary dimensions turns by the position in time, height or width: `mrope_section` says how
    many pairs belong to each, in both halves.
    """
    seen = {}
    layers = model.get_decoder().layers
    handles = [
        layer.self_attn.register_forward_pre_hook(
            lambda module, args, kwargs, i=i: seen.__setitem__(i, kwargs), with_kwargs=True
        )
        for i, layer in enumerate(layers)
    ]
    positions = {}
    decoder_handle = model.get_decoder().register_forward_pre_hook(
        lambda module, args, kwargs: positions.update(p=kwargs["position_ids"]), with_kwargs=True
    )
    model(**inputs, **extra)
    for handle in [*handles, decoder_handle]:
        handle.remove()
    rope = model.config.get_text_config().rope_parameters
    sections = rope["mrope_section"]
    axis = [a for a, count in enumerate(sections) for _ in range(count)] * 2  # of each of the D dimensions
    vectors = []
    for i, layer in enumerate(layers):
        attention, states = layer.self_attn, seen[i]["hidden_states"][0]
        d = attention.head_dim
        rates = rope["rope_theta"] ** (-torch.arange(0, d, 2).float() / d)
        p_3T = positions["p"][-3:, 0].float()
        angles_TD = torch.stack([p_3T[axis[j]] * rates[j % (d // 2)] for j in range(d)], -1)
        q, k, v = (
            projection(states).view(len(states), -1, d)
            for projection in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        group = q.shape[1] // k.shape[1]
        for a in range(q.shape[1]):
            q_a = q[:, a] * angles_TD.cos() + quarter_turn(q[:, a]) * angles_TD.sin()
            k_a = k[:, a // group] * angles_TD.cos() + quarter_turn(k[:, a // group]) * angles_TD.sin()
            scores = torch.stack([q_a[-1] @ k_a[t] / d**0.5 for t in range(len(states))])
            vectors.append(torch.softmax(scores, 0) @ v[:, a // group])
    return torch.stack(vectors)


@pytest.fixture(scope="module")
def eager(folder):
    return FrozenLALM.from_pretrained(str(folder), attn="eager")


@pytest.mark.parametrize("n", [0, 1, 2])
def test_head_vectors_equal_attention_written_out(eager, waves, n):
    inputs = eager.preparer(waves[n : n + 1], QUESTIONS[:1])
    with torch.no_grad():
        expected = slow_head_vectors(eager.model, inputs)
    torch.testing.assert_close(eager(inputs).vectors_NHD[0], expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_with_video_too(eager, waves, videos, n):
    inputs = eager.preparer(waves[n : n + 1], QUESTIONS[:1], videos[n : n + 1])
    with torch.no_grad():
        expected = slow_head_vectors(eager.model, inputs, use_audio_in_video=True)
        silently_wrong = slow_head_vectors(eager.model, inputs)
    vectors = eager(inputs).vectors_NHD[0]
    torch.testing.assert_close(vectors, expected, rtol=0, atol=5e-6)
    assert (vectors - silently_wrong).abs().max() > 0.01  # what leaving the flag out would have given


def test_a_video_holds_its_sound_and_its_frame_rate(lalm, waves, videos):
    inputs = lalm.preparer(waves, QUESTIONS, videos)
    config = lalm.model.config
    assert inputs["video_second_per_grid"].tolist() == [1.0, 0.5, 2.0]  # two frames each
    grids = inputs["video_grid_thw"]
    assert grids[:, 0].tolist() == [3, 2, 2]
    for ids, grid, wave in zip(inputs["input_ids"], grids, waves, strict=True):
        sound = ids == config.audio_token_id
        assert int(sound.sum()) == lalm.preparer.audio_tokens(len(wave))
        frames = ids == config.video_token_id
        assert int(frames.sum()) == int(grid.prod()) // 4
    # Two seconds of frames, then the sound of the same two seconds, and so on: 50 tokens of sound a chunk.
    ids = inputs["input_ids"][0]
    kinds = ids[(ids == config.audio_token_id) | (ids == config.video_token_id)].tolist()
    runs = [sum(1 for _ in run) for _, run in itertools.groupby(kinds)]
    per_grid = int(grids[0, 1:].prod()) // 4
    assert runs == [2 * per_grid, 50, per_grid, 25]


@pytest.mark.parametrize("samples", [4_000, 4_001, 15_999, 47_999, 480_000])
def test_trimmed_features_are_the_full_window_prefix(lalm, samples):
    wave = np.random.default_rng(1).standard_normal(samples).astype(np.float32)
    trimmed = lalm.preparer([wave], QUESTIONS[:1])
    full = lalm.preparer.processor(
        text=[lalm.preparer.prompt(QUESTIONS[0])], audio=[wave], return_tensors="pt"
    )
    frames = trimmed["input_features"].shape[-1]
    assert frames <= full["input_features"].shape[-1] == 3_000
    assert torch.equal(trimmed["input_features"], full["input_features"][..., :frames])
    assert torch.equal(trimmed["input_ids"], full["input_ids"])


def test_the_thinker_of_a_whole_checkpoint_is_loaded(lalm, folder):
    from safetensors import safe_open

    assert type(lalm.model).__name__ == "Qwen2_5OmniThinkerForConditionalGeneration"
    with safe_open(folder / "model.safetensors", "pt") as file:
        stored = file.get_tensor("thinker.model.layers.2.self_attn.o_proj.weight")
    loaded = lalm.model.get_decoder().layers[2].self_attn.o_proj.weight
    assert torch.equal(loaded, stored.to(loaded.dtype))


def test_the_7b_has_784_heads_of_128():
    from transformers import Qwen2_5OmniThinkerConfig, Qwen2_5OmniThinkerForConditionalGeneration

    from calm_pl.models.heads import head_layout

    with torch.device("meta"):  # shapes without weights
        model = Qwen2_5OmniThinkerForConditionalGeneration(Qwen2_5OmniThinkerConfig())
    assert head_layout(model.get_decoder()) == (28, 28, 128)


def test_equal_seeds_give_equal_files(folder, tmp_path):
    again = build_tiny_omni(tmp_path / "again")
    assert (again / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()


def test_a_checkpoint_without_a_chat_template_is_refused(folder, tmp_path):
    bare = shutil.copytree(folder, tmp_path / "bare")
    (bare / "chat_template.jinja").unlink()
    with pytest.raises(ModelError, match="no chat template"):
        FrozenLALM.from_pretrained(str(bare))


def test_a_model_that_only_hears_refuses_video(tiny_folder, waves, videos):
    deaf_to_light = FrozenLALM.from_pretrained(str(tiny_folder))
    assert deaf_to_light.preparer.modalities == ("audio",)
    with pytest.raises(ModelError, match="takes no video"):
        deaf_to_light.preparer(waves[1:2], QUESTIONS[:1], videos[:1])
