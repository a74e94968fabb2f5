"""What becomes of a configuration, and what it is where nothing is said."""

import dataclasses
import json
from pathlib import Path

import pytest
from config_helpers import DEMO, demo, faults, leaves

from calm_pl.config.compose import config_hash, load_config, to_yaml
from calm_pl.config.layers import config_dir
from calm_pl.config.schema import VoterConfig
from calm_pl.data import BENCHMARKS, benchmark_class
from calm_pl.voters import Calm, CalmGlobal, Sav

pytest_plugins = ["config_fixture"]


# What becomes of a configuration


def test_yaml_gives_back_the_same(write):
    awkward = write("data: {question: \"Is it: 'yes' or # no?\"}\nrun: {name: '007'}\n", "awkward.yaml")
    overrides = ["voter.top_k=null", "voter.tau_p=1e-9", "wandb.tags=[x,y]", "trainer.devices=[0,1]"]
    config = load_config([DEMO, awkward], overrides)
    assert (config.data.question, config.run.name) == ("Is it: 'yes' or # no?", "007")
    again = load_config([write(to_yaml(config))], [])
    assert again == config
    assert config_hash(again) == config_hash(config)


def test_the_bank_is_on_below_the_runs_unless_told():
    assert (demo().bank.dir, demo().bank.dtype) == ("runs/.bank", None)
    assert demo("bank.dir=null").bank.dir is None
    assert demo().model.self_check
    assert demo().data.batch_seconds is None


def test_yaml_names_every_setting():
    text = to_yaml(demo())
    assert all(f"{path.split('.')[-1]}:" in text for path, _ in leaves())


@pytest.mark.parametrize(
    "override",
    [
        "data.batch_size=1",
        "data.num_workers=0",
        "data.decode_seconds=5",
        "data.batch_seconds=60",
        "bank.dir=/else/where",
        "bank.dir=null",
        "run.dir=/else/where",
        "run.name=other",
        "run.overwrite=true",
        "wandb.mode=disabled",
        "wandb.tags=[x]",
        "trainer.accelerator=gpu",
        "trainer.devices=8",
        "trainer.num_nodes=2",
        "callbacks=[]",
    ],
)
def test_the_hash_ignores_what_cannot_change_results(override):
    changed = demo(override)
    assert changed != demo()
    assert config_hash(changed) == config_hash(demo())


@pytest.mark.parametrize(
    "override",
    [
        "data.seed=1",
        "data.shots=19",
        "data.fold=2",
        "data.fold=all",
        "data.draws=2",
        "data.candidates=options",
        "data.leak_guard=none",
        "data.on_missing=stop",
        "data.query_split=dev",
        "data.video.num_frames=4",
        "data.columns.label=name",
        "data.n_options=3",
        "data.question=What?",
        "data.readable_labels=true",
        "data.long_clips=center",
        "data.on_bad_clip=skip",
        "data.root=/other",
        "bank.dtype=bfloat16",
        "zero_shot=text",
        "model.path=/other",
        "model.revision=main",
        "model.dtype=bfloat16",
        "model.attn=eager",
        "model.last_n_tokens=2",
        "voter.tau_p=0.1",
        "voter.top_k=5",
        "voter.sav_top_k=5",
        "voter.reliability_split=loo",
        "methods=[calm]",
    ],
)
def test_the_hash_changes_with_what_can_change_results(override):
    assert config_hash(demo(override)) != config_hash(demo())


def test_the_hash_does_not_depend_on_how_values_are_written(write):
    one = write("voter: {tau_w: 1, tau_p: 0.1}\ndata: {seed: 3, fold: 2}\n", "1.yaml")
    other = write("data: {fold: 2, seed: 3}\nvoter: {tau_p: 1e-1, tau_w: 1.0}\n", "2.yaml")
    hashes = {config_hash(load_config([DEMO, path], [])) for path in (one, other)}
    assert len(hashes) == 1
    assert all(len(h) == 64 and int(h, 16) for h in hashes)


def test_configurations_hold_plain_values():
    config = demo("methods=[calm]", "wandb.tags=[a]", "trainer.devices=[0]")
    json.dumps(dataclasses.asdict(config))  # DictConfig and ListConfig cannot be dumped
    assert {type(config.methods), type(config.wandb.tags), type(config.trainer.devices)} == {list}


def test_two_configurations_share_nothing():
    one, other = demo(), demo()
    one.methods.append("x")
    one.wandb.tags.append("x")
    assert other == demo()


# Defaults


@pytest.mark.parametrize("voter", [Calm, CalmGlobal])
def test_voter_defaults_are_those_of_calm(voter):
    ours, theirs = dataclasses.asdict(VoterConfig()), voter().get_params()
    assert set(theirs) <= set(ours)
    assert {name: ours[name] for name in theirs} == theirs


def test_voter_defaults_are_those_of_sav():
    ours, theirs = VoterConfig(), Sav().get_params()
    assert (ours.sav_top_k, ours.score) == (theirs["top_k"], theirs["score"])


def test_defaults_of_the_paper():
    voter = VoterConfig()
    assert (voter.tau_p, voter.tau_w, voter.sav_top_k) == (0.03, 0.5, 20)
    assert (voter.weight_map, voter.reliability, voter.reliability_split) == (
        "softmax",
        "margin_clamped",
        "support",
    )


def test_every_benchmark_that_can_be_named_has_a_module():

    for name in BENCHMARKS:
        assert demo(f"data.benchmark={name}").data.benchmark == name
    (fault,) = faults([DEMO], ["data.benchmark=none_of_them"])
    assert fault.startswith(f"data.benchmark: must be one of {', '.join(BENCHMARKS)}, but is ")
    assert len({benchmark_class(name) for name in BENCHMARKS}) == len(BENCHMARKS)


def test_shipped_files_lie_in_one_folder():
    assert isinstance(config_dir(), Path)
    assert config_dir().is_dir()
