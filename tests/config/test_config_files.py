"""Files, overrides and interpolation: what a configuration is composed of."""

import pytest
from config_helpers import DEMO, demo, faults

from calm_pl.config.compose import load_config
from calm_pl.config.layers import config_dir, shipped_configs

pytest_plugins = ["config_fixture"]


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
    assert faults(["esc50.yaml"]) == ["data.root: is required, but missing; set data.root=VALUE"]


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
    assert [
        demo(f"trainer.devices={d}").trainer.devices for d in ("auto", "2", "[0,1]", "'0,1'", "'1,'")
    ] == [
        *("auto", 2, [0, 1], "0,1", "1,"),
    ]


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        *(
            (f"trainer.devices={d}", "must be auto, a whole number")
            for d in ("2.0", "-1", "0", "foo", "[]", "true")
        ),
        *((f"trainer.devices={d}", "must be auto, a whole number") for d in ("[0,0]", "[-1]", "'2 3'")),
        *(
            (f"trainer.strategy={s}", "starts each rank once")
            for s in ("ddp_spawn", "ddp_fork", "ddp_notebook")
        ),
        (f"wandb.tags=[ok,{'x' * 80}]", "tags of 1 to 64 characters each"),
        ("wandb.tags=['']", "tags of 1 to 64 characters each"),
        (f"wandb.name={'x' * 129}", "a name of 1 to 128 characters"),
        ("wandb.project=a/b", "without / "),
    ],
)
def test_what_lightning_or_weights_and_biases_would_refuse_later(setting, told):
    (fault,) = faults([DEMO], [setting])
    assert fault.startswith(setting.partition("=")[0] + ": must be ")
    assert told in fault


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


def test_what_comes_from_the_environment_is_announced_once(monkeypatch, caplog):
    monkeypatch.setenv("OC_NAME", "mine")
    monkeypatch.setattr("calm_pl.config.compose._ANNOUNCED", set())
    for _ in range(2):
        assert demo("run.name=${oc.env:OC_NAME}", "wandb.tags=['${oc.env:OC_TAG,none}']").run.name == "mine"
    told = "takes {} from the environment, and its value is written to the run's config.yaml."
    assert caplog.messages == [f"run.name {told}".format("OC_NAME"), f"wandb.tags.0 {told}".format("OC_TAG")]


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
        ("- data\n- model\n", "must contain keys and values"),
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
    (in_override,) = faults([DEMO], [f"data.shots={text}"])
    assert "cannot be read" in in_file
    assert "cannot be read" in in_override
    assert load_config([DEMO], [f"data.question={text}"]).data.question == text
    assert not target.exists()


def test_an_interpolation_cannot_run_code(tmp_path):
    target = tmp_path / "touched"
    for resolver in ("eval", "python", "oc.eval", "py", "sh"):
        faults([DEMO], [f"data.question=${{{resolver}:\"open('{target}','w')\"}}"])
    assert not target.exists()


# Overrides that cannot be used


@pytest.mark.parametrize("text", ["data.shots", "=5", "", "="])
def test_an_override_without_key_or_value(text):
    assert faults([DEMO], [text]) == [f"{text}: must have the form key=value, such as data.shots=10"]


@pytest.mark.parametrize("text", ["data.shots=[", "data.shots={", "voter.tau_p=${x", "[a=3"])
def test_an_override_that_is_no_yaml_is_named(text):
    (fault,) = faults([DEMO], [text])
    assert fault.startswith(f"{text}: cannot be read: ")
