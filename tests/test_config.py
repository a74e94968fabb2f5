"""Configurations: composed of files and overrides, checked whole, and never code."""

import dataclasses
import json
import typing
from pathlib import Path

import pytest

from calm_pl.config import (
    config_dir,
    config_hash,
    load_config,
    shipped_configs,
    to_yaml,
)
from calm_pl.data import BENCHMARKS, benchmark_class
from calm_pl.errors import ConfigError
from calm_pl.schema import CALLBACKS, METHODS, Config, VoterConfig
from calm_pl.voters import Calm, CalmGlobal, Sav

DEMO = "demo.yaml"


@pytest.fixture
def write(tmp_path):
    """A YAML file; its path as text."""

    def write(text: str, name: str = "my.yaml") -> str:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def demo(*overrides: str) -> Config:
    return load_config([DEMO], overrides)


def faults(files, overrides=()) -> list[str]:
    """Faults of a configuration that must be refused, the message checked to hold each."""
    with pytest.raises(ConfigError) as caught:
        load_config(files, overrides)
    message = str(caught.value)
    assert all(fault in message for fault in caught.value.faults)
    return caught.value.faults


def leaves(schema: type = Config, path: str = "") -> list[tuple[str, typing.Any]]:
    """Path and type of every setting."""
    types = typing.get_type_hints(schema)
    found = []
    for spec in dataclasses.fields(schema):
        kind = types[spec.name]
        here = f"{path}{spec.name}"
        found += leaves(kind, f"{here}.") if dataclasses.is_dataclass(kind) else [(here, kind)]
    return found


# Files and overrides


def test_shipped_names_work_with_and_without_suffix():
    assert load_config(["demo.yaml"], []) == load_config(["demo"], [])


def test_a_path_works_from_any_folder(write, monkeypatch, tmp_path):
    path = write("model: {path: m}\ndata: {benchmark: fsdd, root: r}\n")
    assert load_config([path], []).data.benchmark == "fsdd"
    monkeypatch.chdir(tmp_path)
    assert load_config(["my.yaml"], []).data.root == "r"


def test_a_file_of_ones_own_goes_before_a_shipped_one_of_its_name(write, monkeypatch, tmp_path):
    write("model: {path: mine}\ndata: {benchmark: fsdd, root: r}\n", "demo.yaml")
    monkeypatch.chdir(tmp_path)
    assert load_config(["demo.yaml"], []).model.path == "mine"


@pytest.mark.parametrize("name", ["demo.yaml", "esc50.yaml", "fsdd.yaml"])
def test_promised_configurations_are_shipped(name):
    assert name in shipped_configs()


@pytest.mark.parametrize("name", shipped_configs())
def test_every_shipped_configuration_loads_when_told_the_root(name):
    config = load_config([name], ["data.root=/some/where"])
    assert config.data.root == "/some/where"
    assert config.data.benchmark
    assert config.model.path


def test_every_shipped_file_is_one_of_the_names():
    assert {path.name for path in config_dir().glob("*.yaml")} == set(shipped_configs())


def test_esc50_without_a_root_asks_for_it():
    assert faults(["esc50.yaml"]) == ["data.root: is required, but missing; give it as data.root=VALUE"]


def test_a_later_file_wins_key_by_key(write):
    first = write("data: {seed: 1, shots: 5}\nvoter: {tau_p: 0.1}\n", "1.yaml")
    second = write("data: {seed: 2}\n", "2.yaml")
    config = load_config([DEMO, first, second], [])
    assert (config.data.seed, config.data.shots, config.voter.tau_p) == (2, 5, 0.1)
    assert load_config([DEMO, second, first], []).data.seed == 1
    assert config.data.root == "bundled:esc10"


def test_overrides_come_last_and_the_last_of_them_wins(write):
    path = write("data: {seed: 1}\n")
    assert load_config([DEMO, path], ["data.seed=2"]).data.seed == 2
    assert load_config([DEMO, path], ["data.seed=2", "data.seed=3"]).data.seed == 3


def test_a_list_is_replaced_and_not_extended(write):
    path = write("methods: [sav, calm]\n")
    assert load_config([DEMO, path], []).methods == ["sav", "calm"]
    assert load_config([DEMO, path], ["methods=[calm_global]"]).methods == ["calm_global"]


def test_overrides_alone_are_enough():
    config = load_config([], ["model.path=m", "data.benchmark=esc50", "data.root=r"])
    assert (config.model.path, config.data.root) == ("m", "r")


def test_an_empty_file_changes_nothing(write):
    assert load_config([DEMO, write("# nothing yet\n")], []) == demo()


def test_null_is_a_value(write):
    assert demo("data.shots=null").data.shots is None
    assert load_config([DEMO, write("voter: {sav_top_k: null}\n")], []).voter.sav_top_k is None


def test_an_override_may_hold_an_equals_sign():
    assert demo("data.question=a=b").data.question == "a=b"


@pytest.mark.parametrize(("text", "value"), [("1e-3", 0.001), ("0.25", 0.25), ("2", 2.0), ('"0.5"', 0.5)])
def test_numbers_may_be_written_in_several_ways(text, value):
    tau = demo(f"voter.tau_p={text}").voter.tau_p
    assert (tau, type(tau)) == (value, float)


def test_devices_may_be_a_word_a_number_or_a_list():
    assert [demo(f"trainer.devices={d}").trainer.devices for d in ("auto", "2", "[0,1]")] == [
        "auto",
        2,
        [0, 1],
    ]


# Interpolation


def test_interpolations_see_every_file_and_override(write):
    path = write("run: {name: 'seed-${data.seed}'}\n")
    assert load_config([DEMO, path], ["data.seed=7"]).run.name == "seed-7"


def test_the_environment_can_be_named(monkeypatch):
    monkeypatch.setenv("SOUNDS", "/mnt/sounds")
    assert demo("data.root=${oc.env:SOUNDS}/esc50").data.root == "/mnt/sounds/esc50"


def test_an_interpolation_may_name_a_setting_left_at_its_default():
    # voter.tau_w is in the schema, but not in demo.yaml.
    assert demo("voter.tau_p=${voter.tau_w}").voter.tau_p == 0.5


def test_an_interpolation_to_nowhere_is_told():
    (fault,) = faults([DEMO], ["data.question=${nowhere}"])
    assert "nowhere" in fault
    assert "interpolation" in fault.lower()


@pytest.mark.parametrize("value", ["${nowhere}", "${data.shots}", "${oc.env:NO_SUCH_VARIABLE_HERE}"])
def test_an_interpolation_to_nowhere_in_place_of_a_number_is_told(value):
    assert any("interpolation" in fault.lower() for fault in faults([DEMO], [f"data.shots={value}"]))


def test_every_interpolation_to_nowhere_is_told_with_its_key():
    found = faults([DEMO], ["data.question=${nowhere}", "run.name=${neither}"])
    assert any("data.question" in fault and "nowhere" in fault for fault in found), found
    assert any("run.name" in fault and "neither" in fault for fault in found), found


# Files that cannot be used


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("data: [\n", "cannot be read as YAML"),
        ("data:\n\tseed: 1\n", "cannot be read as YAML"),
        ("data: {seed: 1, seed: 2}\n", "duplicate key seed"),
        ("a: &a [*a]\n", "cannot be read as YAML"),
        ("- data\n- model\n", "must hold keys and values"),
        ("5\n", "cannot be read as YAML"),
        ("a: 1\n---\nb: 2\n", "single document"),
    ],
)
def test_a_file_that_is_no_yaml_of_keys_is_named(write, text, match):
    path = write(text)
    (fault,) = faults([DEMO, path])
    assert fault.startswith(f"--config {path}: ")
    assert match in fault


def test_a_file_in_another_encoding_is_named(tmp_path):
    path = tmp_path / "latin.yaml"
    path.write_bytes("data: {question: é}\n".encode("latin-1"))
    (fault,) = faults([DEMO, str(path)])
    assert fault.startswith(f"--config {path}: cannot be read")


@pytest.mark.parametrize("name", ["esc05.yaml", "no/such/esc50.yaml", "ecs50.yml"])
def test_a_missing_file_hints_at_a_shipped_one(name):
    fault = faults([DEMO, name])[0]
    assert fault.startswith(f"--config {name}: no such file, and not among the shipped ")
    assert all(shipped in fault for shipped in shipped_configs())
    assert fault.endswith("did you mean esc50.yaml?")


def test_a_folder_is_no_file(tmp_path):
    assert "no such file" in faults([DEMO, str(tmp_path)])[0]


def test_a_missing_file_is_reported_alone(tmp_path):
    # What it would have set is not known, so "is required" would send the reader the wrong way.
    assert len(faults([str(tmp_path / "nowhere.yaml")])) == 1


@pytest.mark.parametrize(
    "value",
    [
        '!!python/object/apply:os.system ["touch {}"]',
        '!!python/object/apply:subprocess.check_output [["touch", "{}"]]',
        '!!python/object/new:os.system ["touch {}"]',
        "!!python/name:os.system",
        "!!python/module:os",
    ],
)
def test_a_configuration_cannot_run_code(write, tmp_path, value):
    target = tmp_path / "touched"
    text = value.replace("{}", str(target))
    (in_file,) = faults([DEMO, write(f"data:\n  question: {text}\n")])
    (in_override,) = faults([DEMO], [f"data.question={text}"])
    assert "cannot be read" in in_file
    assert "cannot be read" in in_override
    assert not target.exists()


def test_an_interpolation_cannot_run_code(tmp_path):
    target = tmp_path / "touched"
    for resolver in ("eval", "python", "oc.eval", "py", "sh"):
        faults([DEMO], [f"data.question=${{{resolver}:\"open('{target}','w')\"}}"])
    assert not target.exists()


# Overrides that cannot be used


@pytest.mark.parametrize("text", ["data.shots", "=5", "", "="])
def test_an_override_without_key_or_value(text):
    assert faults([DEMO], [text]) == [f"{text}: must have the form key=value, as in data.shots=10"]


@pytest.mark.parametrize("text", ["data.shots=[", "data.shots={", "voter.tau_p=${x", "[a=3"])
def test_an_override_that_is_no_yaml_is_named(text):
    (fault,) = faults([DEMO], [text])
    assert fault.startswith(f"{text}: cannot be read: ")


# Unknown keys


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("data.shotz", "data.shots"),
        ("data.batchsize", "data.batch_size"),
        ("voter.taup", "voter.tau_p"),
        ("model.attention", "model.attn"),
        ("dta.shots", "data"),
        ("shots", "data.shots"),
        ("tau_p", "voter.tau_p"),
        ("model.shots", "data.shots"),
        ("voter.seed", "data.seed"),
        ("data.top_k", "voter.top_k"),
        ("trainer.project", "wandb.project"),
        ("data.zzzzzz", None),
        ("+data.shots", "data"),
        ("--data.shots", "data"),
    ],
)
def test_an_unknown_key_gets_the_nearest_hint(key, hint):
    (fault,) = faults([DEMO], [f"{key}=5"])
    assert ": unknown key" in fault
    if hint:
        assert fault.endswith(f"; did you mean {hint}?")
    else:
        assert "did you mean" not in fault


@pytest.mark.parametrize("path", [path for path, _ in leaves()])
def test_a_letter_too_many_is_mended_for_every_setting(path):
    (fault,) = faults([DEMO], [f"{path}s=5"])
    assert fault == f"{path}s: unknown key; did you mean {path}?"


def test_keys_that_are_no_text(write):
    assert faults([DEMO, write("1: 2\n")]) == ["1: unknown key"]


# Wrong types and impossible values


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        ("data.shots=many", "data.shots: must be a whole number or null, but is 'many'"),
        ("data.shots=1.5", "data.shots: must be a whole number or null, but is 1.5"),
        ("data.shots=true", "data.shots: must be a whole number or null, but is True"),
        ("data.seed=null", "data.seed: must be a whole number, but is None"),
        ("data.batch_size=[1]", "data.batch_size: must be a whole number, but is [1]"),
        ("voter.tau_p=warm", "voter.tau_p: must be a number, but is 'warm'"),
        ("voter.tau_p=true", "voter.tau_p: must be a number, but is True"),
        ("data.readable_labels=perhaps", "data.readable_labels: must be true or false, but is 'perhaps'"),
        ("data.question=[a]", "data.question: must be text or null, but is ['a']"),
        ("model.path=null", "model.path: must be text, but is None"),
        ("methods=calm", "methods: must be a list of texts, but is 'calm'"),
        ("methods=null", "methods: must be a list of texts, but is None"),
        ("methods=[null]", "methods: must be a list of texts, but is [None]"),
        ("wandb.tags=a", "wandb.tags: must be a list of texts, but is 'a'"),
        ("data=5", "data: must be a section with keys, but is 5"),
        ("voter=null", "voter: must be a section with keys, but is None"),
        ("voter=[1]", "voter: must be a section with keys, but is [1]"),
    ],
)
def test_a_wrong_type_is_told_with_path_rule_and_value(override, fault):
    assert faults([DEMO], [override]) == [fault]


@pytest.mark.parametrize("path", [path for path, kind in leaves() if kind is not typing.Any])
def test_no_setting_takes_a_section(path):
    (fault,) = faults([DEMO], [f"{path}.deeper=1"])
    assert fault.startswith(f"{path}: must be ")
    assert fault.endswith("but is {'deeper': 1}")


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        ("data.shots=0", "data.shots: must be 1 or more, but is 0"),
        ("data.fold=0", "data.fold: must be a fold's name or number, `all`, or null, but is 0"),
        ("data.fold=-1", "data.fold: must be a fold's name or number, `all`, or null, but is -1"),
        ("data.fold=1.5", "data.fold: must be a whole number or text or null, but is 1.5"),
        ("data.fold=true", "data.fold: must be a whole number or text or null, but is True"),
        ("data.draws=0", "data.draws: must be 1 or more, but is 0"),
        ("data.heldout_shots=-1", "data.heldout_shots: must be 0 or more, but is -1"),
        ("data.candidates=few", "data.candidates: must be one of all, options, but is 'few'"),
        ("data.on_missing=ignore", "data.on_missing: must be one of auto, skip, stop, but is 'ignore'"),
        ("data.leak_guard=hash", "data.leak_guard: must be one of content, names, none, but is 'hash'"),
        ("data.decode_seconds=0", "data.decode_seconds: must be a finite number above 0, but is 0.0"),
        ("data.video.short_side=4", "data.video.short_side: must be 28 or more, but is 4"),
        ("data.n_options=-1", "data.n_options: must be 0 or more, but is -1"),
        ("data.batch_size=0", "data.batch_size: must be 1 or more, but is 0"),
        ("data.batch_seconds=0", "data.batch_seconds: must be a finite number above 0, but is 0.0"),
        ("bank.dtype=float32", "bank.dtype: must be one of float16, bfloat16, but is 'float32'"),
        ("data.num_workers=-1", "data.num_workers: must be 0 or more, but is -1"),
        ("data.long_clips=end", "data.long_clips: must be one of start, center, windows, stop, but is 'end'"),
        ("data.on_bad_clip=ignore", "data.on_bad_clip: must be one of stop, skip, but is 'ignore'"),
        ("data.max_skipped_fraction=1.01", "data.max_skipped_fraction: must be between 0 and 1, but is 1.01"),
        ("data.max_skipped_fraction=-0.1", "data.max_skipped_fraction: must be between 0 and 1, but is -0.1"),
        (
            "data.benchmark=esc51",
            f"data.benchmark: must be one of {', '.join(BENCHMARKS)}, but is 'esc51'; did you mean esc50?",
        ),
        ("model.dtype=fp16", "model.dtype: must be one of auto, float32, bfloat16, float16, but is 'fp16'"),
        ("model.attn=flash", "model.attn: must be one of sdpa, eager, flash_attention_2, but is 'flash'"),
        ("model.last_n_tokens=0", "model.last_n_tokens: must be 1 or more, but is 0"),
        ("voter.tau_p=0", "voter.tau_p: must be a finite number above 0, but is 0.0"),
        ("voter.tau_p=-1", "voter.tau_p: must be a finite number above 0, but is -1.0"),
        ("voter.tau_w=.inf", "voter.tau_w: must be a finite number above 0, but is inf"),
        ("voter.tau_w=.nan", "voter.tau_w: must be a finite number above 0, but is nan"),
        ("voter.top_k=0", "voter.top_k: must be 1 or more, but is 0"),
        ("voter.sav_top_k=0", "voter.sav_top_k: must be 1 or more, but is 0"),
        ("voter.score=l2", "voter.score: must be one of cosine, dot, but is 'l2'"),
        ("voter.weight_map=max", "voter.weight_map: must be one of softmax, power, but is 'max'"),
        ("trainer.num_nodes=0", "trainer.num_nodes: must be 1 or more, but is 0"),
        ("wandb.mode=off", "wandb.mode: must be one of online, offline, disabled, but is 'False'"),
        ("methods=[]", "methods: must name at least one method, but is empty"),
        (
            "methods=[calm,best]",
            f"methods: must be among {', '.join(METHODS)}, but holds 'best'",
        ),
        (
            "callbacks=[confetti]",
            f"callbacks: must be among {', '.join(CALLBACKS)}, but holds 'confetti'",
        ),
        (
            "callbacks=[run_record,report]",
            "callbacks: report reads what predictions writes: add it, or leave report out",
        ),
        ("report.max_megabytes=0", "report.max_megabytes: must be a finite number above 0, but is 0.0"),
        ("report.clips_per_class=0", "report.clips_per_class: must be 1 or more, but is 0"),
        ("wandb.audio_clips=-1", "wandb.audio_clips: must be 0 or more, but is -1"),
    ],
)
def test_an_impossible_value_is_told_with_path_rule_and_value(override, fault):
    assert faults([DEMO], [override]) == [fault]


@pytest.mark.parametrize("name", ["reliability", "reliability_split"])
def test_other_choices_of_the_voter_are_checked(name):
    (fault,) = faults([DEMO], [f"voter.{name}=best"])
    assert fault.startswith(f"voter.{name}: must be one of ")


@pytest.mark.parametrize("value", ["-1", ".nan", ".inf"])
def test_an_impossible_shrinkage_is_refused_here_and_not_by_the_voter(value):
    (fault,) = faults([DEMO], [f"voter.shrinkage={value}"])
    assert fault.startswith("voter.shrinkage: must be ")


@pytest.mark.parametrize("n_options", [0, 1])
def test_zero_shot_needs_two_options(n_options):
    (fault,) = faults([DEMO], [f"data.n_options={n_options}"])
    assert fault.startswith("data.n_options: must be 2 or more for zero-shot prompting")
    assert demo(f"data.n_options={n_options}", "methods=[calm]").data.n_options == n_options


@pytest.mark.parametrize(("shots", "split"), [(1, "support"), (1, "loo"), (0, "heldout")])
def test_held_out_clips_and_their_use_belong_together(shots, split):
    (fault,) = faults([DEMO], [f"data.heldout_shots={shots}", f"voter.reliability_split={split}"])
    assert fault.startswith("data.heldout_shots: must be 1 or more exactly when ")
    assert fault.endswith(f"but is {shots} with {split}")


def test_held_out_clips_with_their_use_are_accepted():
    assert demo("data.heldout_shots=2", "voter.reliability_split=heldout").data.heldout_shots == 2


@pytest.mark.parametrize("video", ["data.video.num_frames=null", "data.video.fps=2"])
def test_frames_go_by_number_or_by_rate(video):
    assert faults([DEMO], [video]) == ["data.video: must have either num_frames or fps, and the other null"]
    assert demo("data.video.num_frames=null", "data.video.fps=2").data.video.fps == 2.0


@pytest.mark.parametrize("fold", ["2", "all", "anna", "null"])
def test_a_fold_is_a_number_a_name_or_all(fold):
    assert str(demo(f"data.fold={fold}").data.fold) == fold.replace("null", "None")


def test_values_at_the_border_are_accepted():
    config = demo(
        "data.shots=1",
        "data.num_workers=0",
        "data.max_skipped_fraction=1",
        "voter.shrinkage=0",
        "data.n_options=2",
    )
    assert (config.data.shots, config.data.max_skipped_fraction) == (1, 1.0)


# Sections


@pytest.mark.parametrize("wrong", ["voter: 3\n", "voter: [1, 2]\n"])
def test_a_section_that_is_none_in_the_last_file_is_told(write, wrong):
    mapping = write("voter: {tau_p: 0.1}\n", "1.yaml")
    (fault,) = faults([DEMO, mapping, write(wrong, "2.yaml")])
    assert fault.startswith("voter: must be a section with keys, but is ")


def tau_p_or_faults(files, overrides=()) -> float | str:
    """The temperature, or what is wrong: a later layer may replace a faulty one or be told of it."""
    try:
        return load_config(files, overrides).voter.tau_p
    except ConfigError as error:
        return error.faults[0]


@pytest.mark.parametrize("wrong", ["voter: 3\n", "voter: [1, 2]\n"])
def test_a_section_that_is_none_in_an_earlier_file_is_replaced_or_told(write, wrong):
    outcome = tau_p_or_faults([DEMO, write(wrong, "1.yaml"), write("voter: {tau_p: 0.1}\n", "2.yaml")])
    assert outcome == 0.1 or str(outcome).startswith("voter: ")


@pytest.mark.parametrize("wrong", ["voter: 3\n", "voter: [1, 2]\n"])
def test_an_override_below_a_section_that_is_none_is_used_or_told(write, wrong):
    outcome = tau_p_or_faults([DEMO, write(wrong)], ["voter.tau_p=0.1"])
    assert outcome == 0.1 or str(outcome).startswith("voter: ")


# All at once


def test_all_faults_are_reported_at_once(write):
    path = write("modle: {path: x}\ndata: {shots: 0, seed: a, benchmark: esc51}\nvoter: {tau_p: -1}\n")
    found = faults([path], ["wandb.mode=never", "trainer.device=1", "shots", "methods=3"])
    assert sorted(fault.split(": ")[0] for fault in found) == [
        "data.benchmark",
        "data.root",
        "data.seed",
        "data.shots",
        "methods",
        "model.path",
        "modle",
        "shots",
        "trainer.device",
        "voter.tau_p",
        "wandb.mode",
    ]


def test_the_message_counts_and_lists_the_faults():
    with pytest.raises(ConfigError) as caught:
        demo("data.shots=0")
    assert str(caught.value) == (
        "The configuration has 1 fault:\n  - data.shots: must be 1 or more, but is 0"
    )
    with pytest.raises(ConfigError, match=r"^The configuration has 2 faults:\n  - .*\n  - .*$"):
        demo("data.shots=0", "data.fold=0")


def test_what_is_required_is_told_at_once():
    found = faults([])
    assert [fault.split(":")[0] for fault in sorted(found)] == ["data.benchmark", "data.root", "model.path"]
    assert all(": is required, but missing; give it as " in fault for fault in found)


def test_question_marks_stand_for_missing(write):
    path = write("model:\n  path: ???\ndata: {benchmark: esc50, root: r}\n")
    assert faults([path]) == ["model.path: is required, but missing; give it as model.path=VALUE"]


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
    assert demo("bank.dir=~/bank").bank.dir == "~/bank"
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
