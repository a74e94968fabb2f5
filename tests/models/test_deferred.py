"""A model that is remembered: by its files and how it is loaded, and loaded at its first batch."""

import os
import shutil
from contextlib import suppress

import pytest
import torch

from calm_pl import FrozenLALM
from calm_pl.errors import ModelError
from calm_pl.models.deferred import DeferredLALM, LoadArguments


@pytest.fixture
def folder(tiny_folder, tmp_path):
    return shutil.copytree(tiny_folder, tmp_path / "model")


@pytest.fixture
def loads(monkeypatch):
    """How each load was asked for."""
    seen = []
    load = FrozenLALM.from_pretrained.__func__

    def counted(cls, *args, **kwargs):
        seen.append(kwargs)
        return load(cls, *args, **kwargs)

    monkeypatch.setattr(FrozenLALM, "from_pretrained", classmethod(counted))
    return seen


def made(folder, tmp_path, self_check=False, **arguments):
    return DeferredLALM(LoadArguments(str(folder), **arguments), tmp_path / "memory", self_check)


def test_a_remembered_model_is_known_without_its_weights(folder, tmp_path, loads, lalm):
    first = made(folder, tmp_path)
    again = made(folder, tmp_path)
    assert len(loads) == 1
    assert again.identity() == first.identity() == FrozenLALM.from_pretrained(path=str(folder)).identity()
    assert again.layout == first.layout == lalm.layout
    loads.clear()
    inputs = again.preparer([torch.zeros(8_000).numpy()], ["What is it?"])
    assert torch.equal(again(inputs).vectors_NHD, first(inputs).vectors_NHD)
    again(inputs)
    assert len(loads) == 1


def rewrite(path, change):
    """Change a file in place, and set its times back."""
    stat, content = path.stat(), path.read_bytes()
    changed = change(content)
    assert len(changed) == len(content)
    assert changed != content
    path.write_bytes(changed)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


CHANGES = {
    "model.safetensors": lambda content: content[:-1] + bytes([content[-1] ^ 1]),
    "chat_template.jinja": lambda content: content.replace(b"assistant", b"Assistant"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_other_content_of_equal_size_and_time_is_another_model(folder, tmp_path, loads, name):
    made(folder, tmp_path)
    rewrite(folder / name, CHANGES[name])
    made(folder, tmp_path)
    assert len(loads) == 2


def test_equal_content_with_another_time_is_the_same_model(folder, tmp_path, loads):
    made(folder, tmp_path)
    os.utime(folder / "model.safetensors")
    made(shutil.copytree(folder, tmp_path / "copy"), tmp_path)
    assert len(loads) == 1


def test_a_model_that_changed_before_it_was_loaded_is_refused(folder, tmp_path):
    made(folder, tmp_path)
    again = made(folder, tmp_path)
    rewrite(folder / "model.safetensors", CHANGES["model.safetensors"])
    inputs = again.preparer([torch.zeros(8_000).numpy()], ["What is it?"])
    with pytest.raises(ModelError, match="is not the one that this job began with"):
        again(inputs)


def test_a_file_that_came_forgets(folder, tmp_path, loads):
    made(folder, tmp_path)
    (folder / "more.json").write_text("{}")
    made(folder, tmp_path)
    assert len(loads) == 2


@pytest.mark.parametrize(
    "change",
    [{"dtype": "bfloat16"}, {"attn": "eager"}, {"last_n_tokens": 2}, {"system_prompt": "Be brief."}],
    ids=str,
)
def test_another_argument_forgets(folder, tmp_path, loads, change):
    plain = made(folder, tmp_path)
    other = made(folder, tmp_path, **change)
    assert len(loads) == 2
    assert other.identity() != plain.identity()


def test_being_offline_is_the_same_model(folder, tmp_path, loads):
    made(folder, tmp_path)
    made(folder, tmp_path, offline=True)
    assert len(loads) == 1


@pytest.mark.parametrize("damage", ["", "{", "[1]", '[{"a": 1}, [1, 2, 3, 4, 5, 6]]', "null"])
def test_a_damaged_note_is_as_good_as_none(folder, tmp_path, loads, damage):
    made(folder, tmp_path)
    (note,) = (tmp_path / "memory").glob("*.json")
    note.write_text(damage)
    made(folder, tmp_path)
    made(folder, tmp_path)
    assert len(loads) == 2


def test_without_a_memory_nothing_is_written(folder, tmp_path, loads):
    for _ in range(2):
        DeferredLALM(LoadArguments(str(folder)), None, False)
    assert len(loads) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_the_self_check_comes_once_with_the_first_batch(folder, tmp_path):
    model = made(folder, tmp_path, self_check=True)
    assert model.self_check is None
    inputs = model.preparer([torch.zeros(8_000).numpy()], ["What is it?"])
    model(inputs)
    report = model.self_check
    assert report.hearing.silence_change > 0.05
    assert report.invariance.drift < 1e-3
    model(inputs)
    assert model.self_check is report


def test_files_that_come_with_the_first_load_are_remembered(folder, tmp_path, loads, monkeypatch):
    # As a hub id's: nothing is on this machine until the model is loaded.
    from calm_pl.models import deferred

    known = []
    where = deferred.checkpoint_folder
    monkeypatch.setattr(
        deferred, "checkpoint_folder", lambda *args: where(*args) if known else known.append(1)
    )
    DeferredLALM(LoadArguments(str(folder)), tmp_path / "memory")
    DeferredLALM(LoadArguments(str(folder)), tmp_path / "memory")
    assert len(loads) == 1


def test_a_quantised_model_is_loaded_anew_where_its_batches_are(folder, monkeypatch):
    devices = []
    load = FrozenLALM.from_pretrained

    def recorded(*args, device=None, **more):
        devices.append(device)
        return load(*args, **more)

    monkeypatch.setattr(FrozenLALM, "from_pretrained", recorded)
    monkeypatch.setattr(FrozenLALM, "is_placed", property(lambda self: len(devices) == 1))
    deferred = DeferredLALM(LoadArguments(str(folder)), self_check=False)
    elsewhere = torch.device("meta")
    with suppress(Exception):  # nothing can be computed there
        deferred({"attention_mask": torch.ones(1, 1, device=elsewhere)})
    assert devices == [None, elsewhere]


def test_doubts_and_a_system_prompt_are_remembered(folder, tmp_path, loads):
    config = folder / "generation_config.json"
    config.write_text('{"eos_token_id": 0}')
    first, again = (made(folder, tmp_path, system_prompt="Be brief.") for _ in range(2))
    assert len(loads) == 1
    assert again.doubts() == first.doubts()
    assert "base model" in again.doubts()[0]
    assert "Be brief." in again.preparer.own.prompt("What?")
