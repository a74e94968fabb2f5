"""Weights in another dtype than their file's are copied by every process: refused where they do not fit."""

import pytest
from tiny_clap import build_clap

from calm_pl.config.schema import TrainerConfig
from calm_pl.errors import ModelError
from calm_pl.jobs.launched import processes_here
from calm_pl.models import FrozenLALM, copies, deferred
from calm_pl.models.copies import machine_memory, refuse_copies
from calm_pl.models.deferred import DeferredLALM, LoadArguments
from calm_pl.models.sizes import stored_numbers


def test_copies_of_all_processes_must_fit(tiny_folder):
    each = 2 * sum(stored_numbers(tiny_folder).values())  # the file is in float16, copies in bfloat16
    refuse_copies("m", tiny_folder, "bfloat16", 8, memory=9 * each)
    with pytest.raises(ModelError, match="each of 8 processes on this machine makes a copy of") as caught:
        refuse_copies("m", tiny_folder, "bfloat16", 8, memory=8 * each)
    assert "its file is in float16" in str(caught.value)
    assert "model.dtype=float16 shares" in str(caught.value)


def test_the_files_own_dtype_is_shared(tiny_folder):
    refuse_copies("m", tiny_folder, "float16", 8, memory=1)


def test_auto_is_float32_without_a_gpu(tiny_folder, monkeypatch):
    with pytest.raises(ModelError, match="in float32 each of 1 processes"):
        refuse_copies("m", tiny_folder, "auto", 1, memory=1)
    monkeypatch.setattr(copies.torch.cuda, "is_available", lambda: True)
    refuse_copies("m", tiny_folder, "auto", 8, memory=1)


def test_it_is_refused_before_the_weights_are_read(tiny_folder, monkeypatch):
    monkeypatch.setattr(deferred, "machine_memory", lambda: 1)
    monkeypatch.setattr(FrozenLALM, "from_pretrained", lambda *args, **more: pytest.fail("read"))
    with pytest.raises(ModelError, match="each of 4 processes"):
        DeferredLALM(LoadArguments(str(tiny_folder)), processes=4)


def test_a_clap_model_is_float32_as_its_file_whatever_is_asked(tmp_path, monkeypatch):
    folder = build_clap(tmp_path / "clap")
    once = 4 * sum(stored_numbers(folder).values())  # not enough for four copies, in bfloat16 either
    monkeypatch.setattr(deferred, "machine_memory", lambda: once)
    lalm = DeferredLALM(LoadArguments(str(folder), dtype="bfloat16"), processes=4)
    assert lalm.identity()["dtype"] == "float32"


def test_a_containers_limit_counts(tmp_path):
    limit = tmp_path / "memory.max"
    whole = machine_memory(limit)
    limit.write_text("max\n")
    assert machine_memory(limit) == whole
    limit.write_text("4096\n")
    assert machine_memory(limit) == 4096


@pytest.mark.parametrize(
    ("devices", "environment", "number"),
    [
        (2, {}, 2),
        ([0, 3], {}, 2),
        ("0,1,2", {}, 3),
        ("auto", {}, 1),
        (1, {"TORCHELASTIC_RUN_ID": "x", "LOCAL_WORLD_SIZE": "4", "WORLD_SIZE": "8"}, 4),
    ],
)
def test_processes_of_a_machine(devices, environment, number):
    assert processes_here(TrainerConfig(accelerator="cpu", devices=devices), environment) == number
