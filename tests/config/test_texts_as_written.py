"""A setting whose type is text takes what was written, whatever YAML would make of it."""

from pathlib import Path

import pytest
from config_helpers import demo, faults

from calm_pl.commands.arguments import add_config_arguments, parser
from calm_pl.config.compose import load_config

pytest_plugins = ["config_fixture"]


@pytest.mark.parametrize(
    "text",
    [
        "0012345",
        "1e5",
        "on",
        "no",
        "2024-01-02",
        "0x10",
        "1_000",
        "a: b",
        "a #1",
        "[a]",
        "{a: 1}",
        "'quoted'",
        "!x",
    ],
)
def test_an_override_is_taken_as_it_stands(text):
    config = demo(f"model.revision={text}", f"run.name={text}", f"data.question={text}")
    assert config.model.revision == config.run.name == config.data.question == text


def test_text_behind_a_blank_and_a_hash_is_no_comment():
    assert demo("run.dir=/x/run #1").run.dir == "/x/run #1"


def test_null_and_interpolations_are_no_text():
    config = demo("wandb.group=null", "run.name=${data.benchmark}-a")
    assert config.wandb.group is None
    assert config.run.name == "esc50-a"


def test_a_list_of_texts_holds_what_was_written():
    assert demo("wandb.tags=[1e5,0012,on,a b]").wandb.tags == ["1e5", "0012", "on", "a b"]


def test_a_fold_is_a_number_or_a_name():
    assert demo("data.fold=2").data.fold == 2
    assert demo("data.fold=02").data.fold == "02"
    assert demo("data.fold=all").data.fold == "all"
    assert demo("data.fold=null").data.fold is None


def test_a_file_holds_what_was_written(write):
    path = write(
        "model: {path: m, revision: 0012345}\nrun: {name: 1e5, dir: null}\nvoter: {tau_p: 1e-1}\n"
        "wandb: {tags: [0012, on, 'x'], name: 2024-01-02}\ndata: {benchmark: fsdd, root: r, shots: 010}\n"
    )
    config = load_config([path], [])
    assert (config.model.revision, config.run.name, config.run.dir) == ("0012345", "1e5", None)
    assert (config.wandb.tags, config.wandb.name) == (["0012", "on", "x"], "2024-01-02")
    assert config.voter.tau_p == 0.1


@pytest.mark.parametrize("key", ["data.shots", "wandb.group", "voter.top_k"])
def test_the_word_of_python_for_no_value_is_answered_with_the_right_one(key):
    assert faults(["demo"], [f"{key}=None"]) == [f"{key}=None: null stands for no value; write {key}=null"]


def test_paths_begin_at_the_users_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    config = demo("run.dir=~/x", "bank.dir=~/b", "model.path=~/m", "model.mask=~/k")
    found = [config.run.dir, config.bank.dir, config.model.path, config.model.mask]
    assert [Path(path) for path in found] == [tmp_path / name for name in "xbmk"]


def test_settings_as_an_agent_writes_them():
    command = parser("fit-free", "", "")
    add_config_arguments(command)
    args = command.parse_intermixed_args(["--voter.tau_p=0.1", "--config", "demo.yaml", "--data.shots=5"])
    assert (args.config, args.overrides) == (["demo.yaml"], ["voter.tau_p=0.1", "data.shots=5"])
