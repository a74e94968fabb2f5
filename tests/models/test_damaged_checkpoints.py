"""Checkpoints that are damaged, or whose parts do not belong together, are refused in a sentence each."""

import copy
import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save, save_file

from calm_pl import FrozenLALM
from calm_pl.errors import ModelError
from calm_pl.models.chat import ChatPreparer
from calm_pl.models.chat_template import MAX_BYTES, rendered, try_template
from calm_pl.models.deferred import DeferredLALM, LoadArguments
from calm_pl.models.weight_files import refuse_damaged_weights

WHOLE = save({"a": torch.zeros(100), "b": torch.zeros(3)}, metadata={"format": "pt"})
HEADER = len(WHOLE) - 412


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is truncated: it has 0 bytes"),
        (WHOLE[:7], "is truncated: it has 7 bytes"),
        (WHOLE[:8], "ends within its header"),
        (WHOLE[: HEADER - 1], "ends within its header"),
        (WHOLE[:HEADER], f"has {HEADER} bytes of {len(WHOLE)}"),
        (WHOLE[:-1], f"has {len(WHOLE) - 1} bytes of {len(WHOLE)}"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"<html>404</html>", "not a safetensors file"),
        ((2).to_bytes(8, "little") + b"[]", "its header cannot be read"),
        ((8).to_bytes(8, "little") + b'{"a": 1}', "its header cannot be read"),
    ],
)
def test_weights_that_are_not_whole(tmp_path, content, told):
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match=rf"model\.safetensors: .*{told}"):
        refuse_damaged_weights(tmp_path)


def test_whole_weights_and_shards_that_are_missing(tmp_path):
    (tmp_path / "one.safetensors").write_bytes(WHOLE)
    refuse_damaged_weights(tmp_path)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}))
    with pytest.raises(ModelError, match=r"index\.json names two\.safetensors, but there is no such file"):
        refuse_damaged_weights(tmp_path)
    for damage in ("{", "[]", '{"weight_map": 1}'):
        index.write_text(damage)
        with pytest.raises(ModelError, match="cannot be read as an index of shards"):
            refuse_damaged_weights(tmp_path)


def endless():
    while True:
        pass


@pytest.mark.parametrize(
    ("render", "told"),
    [
        (lambda: rendered(endless), r"does not end within 0\.3 s"),
        (lambda: rendered(lambda: "x" * 2**34), "takes more than 1 GiB of memory"),
        (lambda: rendered(lambda: 1 / 0), "fails: ZeroDivisionError: division by zero"),
        (lambda: "x" * (MAX_BYTES + 1), "makes a prompt of 1,048,577 bytes"),
    ],
    ids=["endless", "memory", "fails", "long"],
)
def test_a_template_that_cannot_be(render, told):
    with pytest.raises(ModelError, match=rf"^The checkpoint's chat template \([^)]*\) {told}\.?"):
        try_template(render, seconds=0.3)


def test_a_template_that_ends_its_process_and_one_that_is_good():
    import os

    with pytest.raises(ModelError, match="ended the process that tried it"):
        try_template(lambda: os._exit(3))
    try_template(lambda: "x" * MAX_BYTES)


@pytest.fixture
def copied(tiny_folder, tmp_path):
    return shutil.copytree(tiny_folder, tmp_path / "model")


def change(path, **changes):
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, **changes}))


def set_value(folder, name, value):
    weights = load_file(folder / "model.safetensors")
    (name,) = [one for one in weights if "language_model" in one and one.endswith(name)]
    weights[name].view(-1)[7] = value
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_refused_as_such(copied, value):
    set_value(copied, "layers.0.self_attn.v_proj.weight", value)
    told = r"weights that are NaN or infinite: 1 of [\d,]+ in .*layers\.0\.self_attn\.v_proj\.weight"
    with pytest.raises(ModelError, match=told):
        FrozenLALM.from_pretrained(str(copied))


def test_a_tokenizer_of_another_vocabulary(copied):
    rules = json.loads((copied / "tokenizer.json").read_text())
    words = rules["model"]["vocab"]
    rules["model"]["vocab"] = {word: n + 10_000 if len(word) == 1 else n for word, n in words.items()}
    (copied / "tokenizer.json").write_text(json.dumps(rules))
    with pytest.raises(ModelError, match=r"has tokens up to 10,\d+, but the model's vocabulary ends at \d+"):
        FrozenLALM.from_pretrained(str(copied))


def test_a_tokenizer_with_another_placeholder(copied):
    change(copied / "config.json", audio_token_index=7)
    with pytest.raises(ModelError, match=r"sound is its token 4, but config\.json says 7"):
        FrozenLALM.from_pretrained(str(copied))


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{% for one in %}", "chat template .* fails: TemplateSyntaxError"),
        ("{{ ''.__class__.__mro__ }}", "chat template .* fails: SecurityError"),
        ("{{ messages[0]['content'][1]['text'] }}", "has no place for the sound"),
        ("<|audio_bos|><|AUDIO|><|audio_eos|> Hello", "has no place for the question"),
    ],
)
def test_a_template_that_is_broken(copied, template, told):
    (copied / "chat_template.jinja").write_text(template)
    with pytest.raises(ModelError, match=told):
        FrozenLALM.from_pretrained(str(copied))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"num_hidden_layers": 0, "layer_types": []}, "has 0 layers"),
        ({"num_attention_heads": 0}, "cannot be loaded: ZeroDivisionError"),
        ({"hidden_size": "128"}, "No model configuration could be read"),
    ],
)
def test_sizes_that_cannot_be(copied, changes, told):
    config = json.loads((copied / "config.json").read_text())
    change(copied / "config.json", text_config={**config["text_config"], **changes})
    with pytest.raises(ModelError, match=told):
        FrozenLALM.from_pretrained(str(copied))


def test_a_processor_that_is_not_the_models(copied, tmp_path):
    path = copied / "processor_config.json"
    extractor = json.loads(path.read_text())["feature_extractor"]
    change(path, feature_extractor={**extractor, "feature_size": 80})
    model = DeferredLALM(LoadArguments(str(copied)))
    with pytest.raises(ModelError, match=r"cannot take what its processor makes .*64 channels"):
        model(model.preparer([torch.zeros(8_000).numpy()], ["What?"]))


def test_a_processor_without_a_rate(lalm):
    processor = copy.deepcopy(lalm.preparer.processor)
    for rate in (0, "16000", None):
        processor.feature_extractor.sampling_rate = rate
        with pytest.raises(
            ModelError, match=f"sampling_rate {rate!r}, but it must be a whole number above 0"
        ):
            ChatPreparer(processor, 2.0)
