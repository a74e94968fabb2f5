"""Checkpoints that cannot be used are refused with a reason."""

import json
import shutil

import pytest

from calm_pl import FrozenLALM
from calm_pl.errors import CalmError, DataError


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
    with pytest.raises(CalmError, match="'bert' model"):
        FrozenLALM.from_pretrained(str(tmp_path))


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_a_missing_file(tiny_folder, tmp_path, name):
    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    (folder / name).unlink()
    with pytest.raises(CalmError, match="cannot be loaded"):
        FrozenLALM.from_pretrained(str(folder))


def test_pickled_weights_are_not_read(tiny_folder, tmp_path):
    import torch
    from safetensors.torch import load_file

    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(CalmError, match="cannot be loaded"):
        FrozenLALM.from_pretrained(str(folder))
