"""Checkpoints that cannot be used are refused with a reason; those that can are placed as asked."""

import json
import logging
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_families import build_audio_flamingo_3, build_granite_speech

from calm_pl import FrozenLALM
from calm_pl.errors import CalmError, DataError, ModelError
from calm_pl.models.checks import QUESTIONS, relative_drift, sample_clips


@pytest.fixture
def copied(tiny_folder, tmp_path):
    return shutil.copytree(tiny_folder, tmp_path / "model")


def change_config(folder, **changes):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


def test_a_missing_folder():
    with pytest.raises(CalmError, match="no such folder"):
        FrozenLALM.from_pretrained("/nowhere/model")


def test_an_unknown_bundle():
    with pytest.raises(DataError, match="bundled:esc10"):
        FrozenLALM.from_pretrained("bundled:huge")


def test_a_hub_id_offline():
    with pytest.raises(CalmError, match="Qwen/Not-There"):
        FrozenLALM.from_pretrained("Qwen/Not-There")


def test_a_folder_without_configuration(tmp_path):
    with pytest.raises(CalmError, match="No model configuration"):
        FrozenLALM.from_pretrained(str(tmp_path))


def test_a_model_of_another_family(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(CalmError, match=r"'bert' model, not a supported audio language model.*qwen2_audio"):
        FrozenLALM.from_pretrained(str(tmp_path))


def test_a_refused_family_is_refused_with_its_reason(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gemma4"}))
    with pytest.raises(ModelError, match="differ in head size"):
        FrozenLALM.from_pretrained(str(tmp_path))


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_a_missing_file(copied, name):
    (copied / name).unlink()
    with pytest.raises(CalmError, match="cannot be loaded"):
        FrozenLALM.from_pretrained(str(copied))


def test_pickled_weights_are_not_read(copied):
    torch.save(load_file(copied / "model.safetensors"), copied / "pytorch_model.bin")
    (copied / "model.safetensors").unlink()
    with pytest.raises(CalmError, match="cannot be loaded"):
        FrozenLALM.from_pretrained(str(copied))


def test_weights_that_are_not_there_would_be_random(copied):
    weights = load_file(copied / "model.safetensors")
    name = next(key for key in weights if key.endswith("layers.3.self_attn.o_proj.weight"))
    del weights[name]
    save_file(weights, copied / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks 1 of the weights .*layers\.3\.self_attn\.o_proj"):
        FrozenLALM.from_pretrained(str(copied))


def test_the_weights_of_another_class(tmp_path, copied):
    other = build_audio_flamingo_3(tmp_path / "other")
    shutil.copy(other / "model.safetensors", copied / "model.safetensors")
    with pytest.raises(ModelError, match=r"lacks .* of the weights|cannot be loaded"):
        FrozenLALM.from_pretrained(str(copied))


def test_weights_of_another_size(copied):
    config = json.loads((copied / "config.json").read_text())
    change_config(copied, text_config={**config["text_config"], "intermediate_size": 250})
    with pytest.raises(ModelError, match="cannot be loaded"):
        FrozenLALM.from_pretrained(str(copied))


def test_an_unknown_attention_implementation(tiny_folder):
    with pytest.raises(ModelError, match="cannot be loaded"):
        FrozenLALM.from_pretrained(str(tiny_folder), attn="flash_attention_2")  # not installed here


def test_remote_code_runs_only_where_it_is_allowed(copied):
    (copied / "own.py").write_text("open('it_ran', 'w').close()\nraise RuntimeError('remote code ran')\n")
    config = {"model_type": "own", "auto_map": {"AutoConfig": "own.OwnConfig"}}
    (copied / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="trust_remote_code"):
        FrozenLALM.from_pretrained(str(copied))


def test_granite_without_its_adapter_is_refused(tmp_path):
    folder = build_granite_speech(tmp_path / "granite")
    change_config(folder, has_lora_adapter=True)
    with pytest.raises(ModelError, match="adapter for sound"):
        FrozenLALM.from_pretrained(str(folder))


def test_voxtral_without_mistral_common_is_refused(lalm):
    """Transformers would load its tokenizer in another form, which makes other prompts."""
    from calm_pl.models.families.voxtral import prepare

    with pytest.raises(ModelError, match=r"pip install 'calm_pl\[voxtral\]'"):
        prepare(lalm.preparer.processor)


def test_quantization_needs_its_package(tiny_folder, monkeypatch):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "bitsandbytes" else find(name, *rest)
    )
    with pytest.raises(ModelError, match=r"pip install 'calm_pl\[quantization\]'"):
        FrozenLALM.from_pretrained(str(tiny_folder), quantization="4bit")


@pytest.mark.filterwarnings("ignore::UserWarning")  # bitsandbytes names the dtypes that it casts
def test_8_bits_change_the_vectors_a_little(tiny_folder, lalm):
    pytest.importorskip("bitsandbytes")
    small = FrozenLALM.from_pretrained(str(tiny_folder), quantization="8bit", dtype="bfloat16")
    assert small.is_placed
    assert small.layout == lalm.layout
    assert small.identity()["weights"] != lalm.identity()["weights"]
    inputs = lalm.preparer(sample_clips(lalm.preparer), QUESTIONS)
    drift_N = relative_drift(small(inputs).vectors_NHD, lalm(inputs).vectors_NHD)
    assert 1e-3 < float(drift_N.min()) <= float(drift_N.max()) < 0.1


def test_a_placed_model_stays_and_answers_where_the_inputs_are(tiny_folder, lalm):
    pytest.importorskip("accelerate")
    from accelerate import dispatch_model

    placed = FrozenLALM.from_pretrained(str(tiny_folder), device_map={"": "cpu"})
    assert not placed.is_placed  # one device: nothing to keep in place
    # Hooks at every module, as where layers are spread over GPUs.
    parts = dict.fromkeys(("model.audio_tower", "model.multi_modal_projector", "model.language_model"), "cpu")
    dispatch_model(placed.model, {**parts, "lm_head": "cpu"}, force_hooks=True)
    assert placed.is_placed
    assert placed.to(torch.bfloat16).model.dtype == torch.float32  # `.to` would undo a placement
    assert not lalm.is_placed
    clips = sample_clips(lalm.preparer)
    inputs = lalm.preparer(clips, QUESTIONS)
    output = placed(inputs)
    assert output.vectors_NHD.device == inputs["input_ids"].device
    assert torch.equal(output.vectors_NHD, lalm(inputs).vectors_NHD)


def test_layers_left_on_disk_are_refused(tiny_folder, tmp_path):
    pytest.importorskip("accelerate")
    layers = {f"model.language_model.layers.{n}": "cpu" for n in range(3)}
    rest = ("audio_tower", "multi_modal_projector", "language_model.embed_tokens")
    places = {
        **layers,
        **{f"model.{name}": "cpu" for name in rest},
        "lm_head": "cpu",
        "model.language_model.norm": "cpu",
        "model.language_model.rotary_emb": "cpu",
        "model.language_model.layers.3": "disk",
    }
    with pytest.raises(ModelError, match=r"does not fit|cannot be loaded.*offload"):
        FrozenLALM.from_pretrained(str(tiny_folder), device_map=places)


OFFLINE = """
import socket, sys
def refuse(*args, **kwargs):
    print("NETWORK CALL", args, file=sys.stderr)
    raise OSError("no network here")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
from calm_pl import FrozenLALM
from calm_pl.errors import ModelError
FrozenLALM.from_pretrained(sys.argv[1], offline=True)
try:
    FrozenLALM.from_pretrained("Qwen/Qwen2-Audio-7B-Instruct", offline=True)
except ModelError as error:
    print("refused:", error)
"""


def test_offline_makes_no_network_call(tiny_folder, tmp_path):
    env = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "TRANSFORMERS_"))}
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE, str(tiny_folder)],
        env={**env, "HF_HOME": str(tmp_path / "empty")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "refused: No model configuration could be read from 'Qwen/Qwen2-Audio-7B-Instruct'" in done.stdout
    assert "NETWORK CALL" not in done.stderr


@pytest.mark.parametrize("dtype", ["fp16", "float64", torch.int8, None])
def test_another_dtype_is_answered_with_the_names(tiny_folder, dtype):
    with pytest.raises(ModelError, match=rf"must be auto, float32, bfloat16, float16 .* but is {dtype!r}"):
        FrozenLALM.from_pretrained(str(tiny_folder), dtype=dtype)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("auto", torch.float32), ("float16", torch.float16), (torch.bfloat16, torch.bfloat16)],
)
def test_dtypes(tiny_folder, dtype, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    lalm = FrozenLALM.from_pretrained(str(tiny_folder), dtype=dtype)
    assert lalm.model.dtype == expected


def test_times_keep_their_precision_in_a_half_precision_model(lalm):
    inputs = {
        "attention_mask": torch.ones(1, 2, dtype=torch.long),
        "input_features": torch.zeros(1, 4, 4),
        "video_second_per_grid": torch.tensor([0.08]),
    }
    half = FrozenLALM.from_pretrained(lalm.path, dtype="bfloat16")._placed(inputs)
    assert half["input_features"].dtype == torch.bfloat16
    assert float(half["video_second_per_grid"]) == pytest.approx(np.float32(0.08))


@pytest.mark.parametrize("is_here", [True, False])
def test_bars_of_downloads_stay_on_and_those_of_loads_do_not(monkeypatch, is_here):
    from transformers.utils import logging as its_logging

    from calm_pl.models.quiet_transformers import quieten

    calls = []
    monkeypatch.setattr(its_logging, "disable_progress_bar", lambda: calls.append("off"))
    monkeypatch.setattr(its_logging, "enable_progress_bar", lambda: calls.append("on"))
    quieten(is_here)
    assert calls == ["off" if is_here else "on"]


@pytest.mark.parametrize(
    ("text", "is_shown"),
    [
        ("Model config: tts_text_pad_token_id must be `None` or an integer within the vocabulary", False),
        ("`past_key_values` is deprecated", False),
        ("Setting `pad_token_id` to `eos_token_id`", True),
    ],
)
def test_messages_that_are_no_users_business(text, is_shown, monkeypatch):
    from calm_pl.models.quiet_transformers import quieten

    monkeypatch.delenv("TRANSFORMERS_VERBOSITY", raising=False)
    quieten(is_here=True)
    record = logging.LogRecord("transformers.x", logging.WARNING, __file__, 1, text, (), None)
    handlers = logging.getLogger("transformers").handlers
    assert handlers
    assert {bool(handler.filter(record)) for handler in handlers} == {is_shown}
