"""Models of the released configurations as the benchmarks write them: loaded as checkpoints."""

import json
import sys

import pytest
import torch
from conftest import REPO

from calm_pl import FrozenLALM
from calm_pl.models.checks import hearing_check, invariance_check

sys.path.append(str(REPO / "benchmarks"))
from full_size import commands
from full_size_models import NAMES, write

NAMED = {
    "qwen2_audio": ("language_model.lm_head.weight", "audio_tower.conv1.weight"),
    "qwen2_5_omni": ("thinker.model.norm.weight", "thinker.visual.blocks.1.attn.q.weight"),
}


@pytest.mark.parametrize("family", NAMES)
def test_a_written_model_is_loaded_and_hears(tmp_path, family):
    made = write(family, tmp_path / "model", small=True, shard_bytes=2**20)
    weights = json.loads((tmp_path / "model" / "model.safetensors.index.json").read_text())["weight_map"]
    assert set(weights) >= set(NAMED[family])
    assert len(set(weights.values())) == made["files"] > 1
    lalm = FrozenLALM.from_pretrained(str(tmp_path / "model"), dtype="bfloat16")
    assert made["parameters"] == sum(one.numel() for one in lalm.model.parameters())
    assert {one.dtype for one in lalm.model.parameters()} == {torch.bfloat16}
    hearing_check(lalm)
    invariance_check(lalm)


def test_fewer_layers(tmp_path):
    made = write("qwen2_audio", tmp_path / "model", small=True, layers=1)
    assert made["layers"] == FrozenLALM.from_pretrained(str(tmp_path / "model")).layout.num_layers == 1


def test_every_command_of_the_run_is_accepted(tmp_path, call):
    """The job's settings are composed; nothing is run."""
    from types import SimpleNamespace

    bench = SimpleNamespace(device="cpu", clips=4, videos=tmp_path)
    found = commands(bench, tmp_path)
    assert {"predict", "pseudo-label", "fit-mask", "fit-free"} == {one.args[0] for one in found}
    for one in found:
        if one.args[0] != "predict":
            done = call(*one.args, "--print-config")
            assert done.returncode == 0, (one.name, done.stderr)
