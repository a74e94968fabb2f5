"""A model is known by what it holds: every value, its settings, its tokens."""

import json

import pytest
import torch
from torch import nn

from calm_pl.models.chat import tokenizer_hash
from calm_pl.models.checkpoint_files import content_of
from calm_pl.models.identity import config_fingerprint, weights_fingerprint
from calm_pl.models.tiny import byte_level_bpe


def model_of(**tensors):
    model = nn.Module()
    for name, tensor in tensors.items():
        model.register_buffer(name, tensor)
    return model


@pytest.mark.parametrize("size", [10, 2**13, 50_001], ids="{} values".format)
def test_any_value_counts(size):
    values = torch.randn(size, generator=torch.Generator().manual_seed(0))
    seen = {weights_fingerprint(model_of(w=values))}
    places = {0, 1, size // 3, size // 2, size - 2, size - 1}
    for place in places:
        changed = values.clone()
        changed[place] *= 1.5
        seen |= {weights_fingerprint(model_of(w=changed), whatever) for whatever in (False, True)}
    assert len(seen) == 1 + 2 * len(places)


def test_order_name_shape_and_dtype_count():
    values = torch.randn(64, 1024, generator=torch.Generator().manual_seed(0))
    models = [
        model_of(w=values),
        model_of(w=values.flip(0)),
        model_of(w=values.flip(1)),
        model_of(w=values.view(1024, 64)),
        model_of(v=values),
        model_of(w=values.double()),
    ]
    assert len({weights_fingerprint(model) for model in models}) == len(models)
    assert weights_fingerprint(models[0]) == weights_fingerprint(model_of(w=values.clone()))


def test_where_a_tensor_lies_in_memory_does_not_count():
    values = torch.randn(70_001, generator=torch.Generator().manual_seed(0))
    shifted = torch.cat([torch.zeros(1), values])[1:]  # no multiple of 8 bytes from its storage's start
    transposed = values[:70_000].view(7, -1).T.contiguous().T
    assert weights_fingerprint(model_of(w=shifted)) == weights_fingerprint(model_of(w=values))
    assert weights_fingerprint(model_of(w=transposed)) == weights_fingerprint(
        model_of(w=values[:70_000].view(7, -1))
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_checkpoint_of_16_bits_is_one_in_every_dtype(dtype):
    generator = torch.Generator().manual_seed(0)
    exponents = torch.randint(-30, 18, (50_000,), generator=generator)
    values = (torch.randn(50_000, generator=generator) * 2.0**exponents).to(dtype)
    loaded = [model_of(w=values.to(other)) for other in (torch.float32, torch.bfloat16, torch.float16)]
    assert len({weights_fingerprint(model, whatever_dtype=True) for model in loaded}) == 1


def test_settings_count_and_not_where_they_came_from(lalm):
    from copy import deepcopy

    config = lalm.model.config
    plain = config_fingerprint(config)
    moved = deepcopy(config)
    moved.transformers_version, moved._name_or_path, moved.dtype = "4.0", "/elsewhere", "float16"
    assert config_fingerprint(moved) == plain
    for change in (
        lambda c: setattr(c.text_config, "rms_norm_eps", 1e-5),
        lambda c: c.text_config.rope_parameters.update(rope_theta=5e5),
        lambda c: setattr(c.audio_config, "activation_function", "relu"),
    ):
        other = deepcopy(config)
        change(other)
        assert config_fingerprint(other) != plain
    assert lalm.identity()["config_sha256"] == plain


def test_tokens_count_and_not_the_last_call():
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(tokenizer_object=byte_level_bpe(["<a>"]), pad_token="<a>")
    plain = tokenizer_hash(tokenizer)
    tokenizer(["What?", "What is it?"], padding=True, truncation=True, max_length=3)
    assert tokenizer_hash(tokenizer) == plain
    rules = json.loads(tokenizer.backend_tokenizer.to_str())
    rules["model"]["merges"] = rules["model"]["merges"][:-1]
    from tokenizers import Tokenizer

    other = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(rules)), pad_token="<a>")
    assert tokenizer_hash(other) != plain


class CountedHashes:
    """Names of the files that were asked for."""

    def sha256(self, path):
        return path.name


def test_files_that_are_not_loaded_are_not_read(tmp_path):
    for name in ("model.safetensors", "sub/code.py", "old.bin", "README.md", ".git/objects", ".hidden"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    assert list(content_of(tmp_path, CountedHashes())) == ["model.safetensors", "sub/code.py"]
    everything = list(content_of(tmp_path, CountedHashes(), all_files=True))
    assert everything == ["README.md", "model.safetensors", "old.bin", "sub/code.py"]
