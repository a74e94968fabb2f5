"""What is wrong is told with its key, rule and value, all at once."""

import typing

import pytest
from config_helpers import DEMO, demo, faults, leaves

from calm_pl.config.callbacks import CALLBACKS
from calm_pl.config.compose import load_config
from calm_pl.data import BENCHMARKS
from calm_pl.errors import ConfigError
from calm_pl.methods import METHODS

pytest_plugins = ["config_fixture"]


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
        ("data.batch_size=[1]", "data.batch_size: must be a whole number or a string, but is [1]"),
        ("voter.tau_p=warm", "voter.tau_p: must be a number, but is 'warm'"),
        ("voter.tau_p=true", "voter.tau_p: must be a number, but is True"),
        ("data.readable_labels=perhaps", "data.readable_labels: must be true or false, but is 'perhaps'"),
        ("model.path=null", "model.path: must be a string, but is None"),
        ("methods=calm", "methods: must be a list of strings, but is 'calm'"),
        ("methods=null", "methods: must be a list of strings, but is None"),
        ("methods=[null]", "methods: must be a list of strings, but is [None]"),
        ("wandb.tags=a", "wandb.tags: must be a list of strings, but is 'a'"),
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
        ("data.fold=1.5", "data.fold: must be a whole number or a string or null, but is 1.5"),
        ("data.fold=true", "data.fold: must be a whole number or a string or null, but is True"),
        ("data.draws=0", "data.draws: must be 1 or more, but is 0"),
        ("data.heldout_shots=-1", "data.heldout_shots: must be 0 or more, but is -1"),
        ("data.candidates=few", "data.candidates: must be one of all, options, but is 'few'"),
        ("data.on_missing=ignore", "data.on_missing: must be one of auto, skip, stop, but is 'ignore'"),
        ("data.leak_guard=hash", "data.leak_guard: must be one of content, names, none, but is 'hash'"),
        ("data.decode_seconds=0", "data.decode_seconds: must be a finite number above 0, but is 0.0"),
        ("data.video.short_side=4", "data.video.short_side: must be 28 or more, but is 4"),
        ("data.n_options=-1", "data.n_options: must be 0 or more, but is -1"),
        ("data.batch_size=0", "data.batch_size: must be 1 or more, or auto, but is 0"),
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
        ("model.system_prompt= ", "model.system_prompt: must be a text, or null, but is ' '"),
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
        ("wandb.mode=off", "wandb.mode: must be one of online, offline, disabled, but is 'off'"),
        ("methods=[]", "methods: must name at least one method, but is empty"),
        (
            "methods=[calm,best]",
            f"methods: must be among {', '.join(METHODS.keys())}, but contains 'best'",
        ),
        (
            "callbacks=[confetti]",
            f"callbacks: must be among {', '.join(CALLBACKS.keys())}, but contains 'confetti'",
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
    assert fault.startswith("data.heldout_shots: must be 1 or more if and only if ")
    assert fault.endswith(f"but is {shots} with {split}")


def test_of_all_rounds_together_no_clip_is_held_out():
    (fault,) = faults([DEMO], ["run.refit=true", "data.heldout_shots=2", "voter.reliability_split=heldout"])
    assert fault.startswith("run.refit: must be false where voter.reliability_split is heldout")


@pytest.mark.parametrize("pattern", ["auto", r"^(\d+)-"])
def test_a_pattern_of_recordings_has_a_group(pattern):
    assert demo(f"data.group_pattern={pattern}").data.group_pattern == pattern
    for wrong in (r"\d+", "(", ""):
        (fault,) = faults([DEMO], [f"data.group_pattern={wrong}"])
        assert fault.startswith("data.group_pattern: must be auto, or a regular expression with a group")


def test_held_out_clips_with_their_use_are_accepted():
    assert demo("data.heldout_shots=2", "voter.reliability_split=heldout").data.heldout_shots == 2


@pytest.mark.parametrize("video", ["data.video.num_frames=null", "data.video.fps=2"])
def test_frames_go_by_number_or_by_rate(video):
    told = "data.video: must set exactly one of num_frames and fps, and leave the other null"
    assert faults([DEMO], [video]) == [told]
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
        "1 problem in the configuration:\n  - data.shots: must be 1 or more, but is 0"
    )
    with pytest.raises(ConfigError, match=r"^2 problems in the configuration:\n  - .*\n  - .*$"):
        demo("data.shots=0", "data.fold=0")


def test_what_is_required_is_told_at_once():
    found = faults([])
    assert [fault.split(":")[0] for fault in sorted(found)] == ["data.benchmark", "data.root", "model.path"]
    assert all(": is required, but missing; set " in fault for fault in found)


def test_question_marks_stand_for_missing(write):
    path = write("model:\n  path: ???\ndata: {benchmark: esc50, root: r}\n")
    assert faults([path]) == ["model.path: is required, but missing; set model.path=VALUE"]
