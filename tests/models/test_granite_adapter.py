"""Granite Speech's adapter for sound is applied: as if it had been merged into the weights by hand."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file
from tiny_families import build_granite_speech

from calm_pl import FrozenLALM
from calm_pl.models.checks import QUESTIONS, hearing_check, sample_clips

peft = pytest.importorskip("peft")
RANK, ALPHA = 4, 8
pytestmark = pytest.mark.filterwarnings("ignore:Could not find a config file")  # peft, where it saves


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return build_granite_speech(tmp_path_factory.mktemp("granite") / "base")


@pytest.fixture(scope="module")
def adapted(base, tmp_path_factory):
    """The base model's folder with an adapter beside its weights, as checkpoints bring it."""
    folder = tmp_path_factory.mktemp("granite") / "adapted"
    model = FrozenLALM.from_pretrained(str(base)).model
    target = r".*language_model.*(q_proj|v_proj)"
    model.add_adapter(peft.LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=target))
    torch.manual_seed(0)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(str(folder))
    for name in ("model.safetensors", "processor_config.json", "chat_template.jinja", "tokenizer.json"):
        shutil.copy(base / name, folder / name)
    shutil.copy(base / "tokenizer_config.json", folder / "tokenizer_config.json")
    config = json.loads((base / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "has_lora_adapter": True}))
    return folder


def test_the_adapter_is_applied(base, adapted):
    lalm, merged = (FrozenLALM.from_pretrained(str(folder)) for folder in (adapted, base))
    inputs = lalm.preparer(sample_clips(lalm.preparer), QUESTIONS)
    before = merged(inputs).vectors_NHD
    deltas = load_file(adapted / "adapter_model.safetensors")
    with torch.no_grad():
        for i, layer in enumerate(merged.model.get_decoder().layers):
            for name in ("q_proj", "v_proj"):
                down, up = (
                    next(v for k, v in deltas.items() if f"layers.{i}.self_attn.{name}.lora_{side}" in k)
                    for side in "AB"
                )
                getattr(layer.self_attn, name).weight += ALPHA / RANK * up @ down
    vectors = lalm(inputs).vectors_NHD
    assert lalm.layout == merged.layout
    torch.testing.assert_close(vectors, merged(inputs).vectors_NHD, rtol=1e-4, atol=1e-4)
    assert (vectors - before).norm() / before.norm() > 0.1
    assert hearing_check(lalm).silence_change > 0.01
