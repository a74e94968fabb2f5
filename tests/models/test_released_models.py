"""The released configurations: shapes at full size, and shrunken models loaded as released ones are."""

import copy
import importlib.util

import pytest
import torch
from released_models import NAMES, configured, released, save_shrunken
from safetensors import safe_open

from calm_pl import FrozenLALM
from calm_pl.models.checks import hearing_check, invariance_check, sample_clips
from calm_pl.models.families.table import find_family
from calm_pl.models.heads import head_layout

QUESTIONS = ["What? A. dog B. rain", "Which one?", "What caption does the given audio belong to? A. x B. y"]
FULL_SIZE = {  # layers, heads, dimension; parameters; tensors
    "qwen2_audio": ((32, 32, 128), 8_397_094_912, 876),
    "qwen2_5_omni": ((28, 28, 128), 8_931_813_888, 1_346),
    "qwen3_omni_moe": ((48, 32, 128), 31_719_205_488, None),
    "voxtral": ((30, 32, 128), 4_676_271_104, None),
    "audioflamingo3": ((28, 28, 128), 8_267_215_360, None),
    "granite_speech": ((40, 32, 64), None, None),
}
RELEASED_NAMES = {
    "qwen2_audio": (
        "audio_tower.layers.1.self_attn.out_proj.weight",
        "multi_modal_projector.linear.weight",
        "language_model.model.layers.1.self_attn.o_proj.weight",
        "language_model.lm_head.weight",
    ),
    "qwen2_5_omni": (
        "thinker.audio_tower.audio_bos_eos_token.weight",
        "thinker.visual.blocks.1.attn.q.weight",
        "thinker.model.layers.1.self_attn.o_proj.weight",
        "thinker.lm_head.weight",
    ),
    "qwen3_omni_moe": (
        "thinker.audio_tower.conv2d1.weight",
        "thinker.model.layers.1.mlp.experts.3.gate_proj.weight",
        "thinker.model.layers.1.self_attn.q_norm.weight",
        "thinker.lm_head.weight",
    ),
    "voxtral": ("audio_tower.conv1.weight", "language_model.model.layers.1.self_attn.o_proj.weight"),
    "audioflamingo3": ("multi_modal_projector.linear_1.weight", "language_model.model.norm.weight"),
    "granite_speech": ("encoder.layers.1.attn.to_kv.weight", "projector.qformer.layernorm.weight"),
}
needs_mistral = pytest.mark.skipif(
    importlib.util.find_spec("mistral_common") is None, reason="mistral_common is not installed"
)
EACH = [pytest.param(name, marks=needs_mistral if name == "voxtral" else ()) for name in NAMES]


@pytest.mark.parametrize("name", NAMES)
def test_full_size(name):
    import transformers

    config = configured(released(name))
    with torch.device("meta"):  # shapes without weights
        model = getattr(transformers, find_family(name).model_class)(config)
    layout, parameters, tensors = FULL_SIZE[name]
    assert head_layout(model.get_decoder()) == layout
    if parameters is not None:
        assert sum(one.numel() for one in model.parameters()) == parameters
    if tensors is not None:
        assert len(model.state_dict()) == tensors


@pytest.fixture(scope="module", params=EACH)
def shrunken(request, tmp_path_factory):
    """Name, folder and the model that was saved there."""
    folder = tmp_path_factory.mktemp("released") / request.param
    return request.param, folder, save_shrunken(request.param, folder)


def test_a_shrunken_model_is_loaded_as_a_released_one(shrunken):
    name, folder, model = shrunken
    files = sorted(folder.glob("*.safetensors"))
    assert len(files) > 1
    stored = {key for path in files for key in safe_open(path, "pt").keys()}  # noqa: SIM118
    assert stored >= set(RELEASED_NAMES[name])
    lalm = FrozenLALM.from_pretrained(str(folder))
    text = released(name).get("thinker_config", released(name))["text_config"]
    assert lalm.model.config.get_text_config().vocab_size == text["vocab_size"] or name == "voxtral"
    ours, theirs = lalm.model.state_dict(), model.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert hearing_check(lalm).swap_change > 0.01
    assert invariance_check(lalm).drift < 1e-4
    assert lalm.doubts() == []


def test_it_is_loaded_in_bfloat16(shrunken):
    _, folder, model = shrunken
    lalm = FrozenLALM.from_pretrained(str(folder), dtype="bfloat16")
    inputs = lalm.preparer(sample_clips(lalm.preparer), QUESTIONS)
    vectors_NHD = lalm(inputs).vectors_NHD
    assert vectors_NHD.dtype == lalm.model.dtype == torch.bfloat16
    rounded = FrozenLALM(copy.deepcopy(model), lalm.preparer)
    kinds = {name: one.dtype for name, one in lalm.model.state_dict().items()}
    for name, one in rounded.model.state_dict(keep_vars=True).items():
        one.data = one.data.to(kinds[name])  # what is not saved, such as rotary frequencies, stays as it was
    assert torch.equal(rounded(inputs).vectors_NHD, vectors_NHD)
    hearing_check(lalm)
    invariance_check(lalm)
