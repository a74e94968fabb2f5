"""What a job runs on: no GPU that is silently left alone, no model that every rank spreads over all GPUs."""

from types import SimpleNamespace

import pytest
import torch

from calm_pl.config.schema import ModelConfig, TrainerConfig
from calm_pl.errors import RunError
from calm_pl.jobs import hardware
from calm_pl.jobs.hardware import device_facts, refuse_silent_cpu, refuse_spread_model


@pytest.fixture
def gpus(tmp_path):
    """What the driver of a machine with one GPU lists."""
    (tmp_path / "gpus" / "0000:01:00.0").mkdir(parents=True)
    return tmp_path / "gpus"


@pytest.fixture
def old_driver(monkeypatch):
    def fail():
        raise RuntimeError("The NVIDIA driver on your system is too old (found version 11040).")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "init", fail)


@pytest.mark.parametrize("accelerator", ["auto", "gpu"])
def test_a_gpu_that_cuda_cannot_use_stops_the_job(gpus, old_driver, accelerator):
    told = r"cannot use it: The NVIDIA driver .* too old \(found version 11040\)\. Mend .*accelerator=cpu"
    with pytest.raises(RunError, match=told):
        refuse_silent_cpu(TrainerConfig(accelerator=accelerator), {}, gpus)


@pytest.mark.parametrize(
    ("accelerator", "environment", "there"),
    [
        ("cpu", {}, True),
        ("auto", {"CUDA_VISIBLE_DEVICES": ""}, True),
        ("auto", {"CUDA_VISIBLE_DEVICES": "-1"}, True),
        ("auto", {}, False),
    ],
    ids=["asked for", "hidden", "hidden by -1", "no GPU"],
)
def test_the_cpu_is_right_where_it_is_meant(gpus, old_driver, tmp_path, accelerator, environment, there):
    refuse_silent_cpu(
        TrainerConfig(accelerator=accelerator), environment, gpus if there else tmp_path / "none"
    )


def test_a_spread_model_has_one_rank():
    spread, whole = ModelConfig(path="x", device_map="auto"), ModelConfig(path="x")
    with pytest.raises(RunError, match=r"each of 4 ranks would do so: set trainer\.devices=1"):
        refuse_spread_model(spread, SimpleNamespace(world_size=4))
    refuse_spread_model(spread, SimpleNamespace(world_size=1))
    refuse_spread_model(whole, SimpleNamespace(world_size=4))


def test_a_gpu_is_named_with_its_driver(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_facts() == {}
    version = tmp_path / "version"
    version.write_text(
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release\nGCC version: 13.2\n"
    )
    assert hardware._driver_version(version) == "570.86.15"
    assert hardware._driver_version(tmp_path / "none") == ""
