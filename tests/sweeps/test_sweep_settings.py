"""The sweep section: checked by the rules of the settings, all faults at once."""

import pytest

from calm_pl.config.compose import load_config, to_yaml
from calm_pl.config.layers import shipped_sweeps
from calm_pl.config.schema import Config
from calm_pl.errors import ConfigError
from calm_pl.methods import METHODS
from calm_pl.sweeps.settings import SWEPT, combinations, configured, load_sweep, sweep_hash

DEMO = "demo.yaml"


def sweep(*overrides, files=()):
    return load_sweep([DEMO, *files], list(overrides))


def faults(*overrides, files=()):
    with pytest.raises(ConfigError) as caught:
        sweep(*overrides, files=files)
    return caught.value.faults


def values(job):
    return [one.values for one in combinations(job)]


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "my.yaml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def test_all_values_are_combined_in_their_order():
    job = sweep("sweep.grid.voter.tau_p=[0.1,1]", "sweep.grid.data.shots=[5,all]")
    assert values(job) == [
        {"tau_p": 0.1, "shots": 5},
        {"tau_p": 0.1, "shots": None},
        {"tau_p": 1, "shots": 5},
        {"tau_p": 1, "shots": None},
    ]


def test_a_later_file_or_override_replaces_one_axis_and_leaves_the_others(write):
    mine = write("sweep: {grid: {voter: {tau_p: [0.1, 0.2], tau_w: [1]}}}")
    job = sweep("sweep.grid.voter.tau_p=[0.3]", files=[mine])
    assert values(job) == [{"tau_p": 0.3, "tau_w": 1}]


def test_cases_are_combined_with_the_grid_and_may_have_methods(write):
    mine = write(
        "sweep:\n"
        "  grid: {voter: {top_k: [5, all]}}\n"
        "  cases: {paper: {}, left: {voter: {reliability_split: loo}, methods: [calm]}}\n"
    )
    found = combinations(sweep("methods=[sav,calm]", files=[mine]))
    assert [(one.case, one.methods, one.values) for one in found] == [
        ("paper", ("sav", "calm"), {"top_k": 5}),
        ("paper", ("sav", "calm"), {"top_k": None}),
        ("left", ("calm",), {"reliability_split": "loo", "top_k": 5}),
        ("left", ("calm",), {"reliability_split": "loo", "top_k": None}),
    ]
    assert [one.given for one in found[::2]] == [{}, {"reliability_split": "loo"}]


def test_a_point_is_the_configuration_with_these_settings():
    job = sweep(
        "sweep.grid.voter.tau_p=[0.1]", "sweep.grid.data.shots=[5]", "sweep.grid.model.last_n_tokens=[2]"
    )
    (one,) = combinations(job)
    expected = load_config([DEMO], ["voter.tau_p=0.1", "data.shots=5", "model.last_n_tokens=2"])
    assert configured(job, one.values) == expected
    assert type(configured(job, one.values)) is Config


GOOD = "sweep.grid.voter.tau_p=[0.1]"


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        (
            "sweep.grid.voter.tau_w=[0.1,-1]",
            "sweep.grid.voter.tau_w[1]: must be a finite number above 0, but is -1.0",
        ),
        ("sweep.grid.voter.tau_w=[warm]", "sweep.grid.voter.tau_w[0]: must be a number, but is 'warm'"),
        ("sweep.grid.voter.tau_w=1", "sweep.grid.voter.tau_w: must be a list of values, but is 1"),
        ("sweep.grid.voter.tau_w=[]", "sweep.grid.voter.tau_w: must be a list of values, but is []"),
        (
            "sweep.grid.voter.tau_w=[1,1]",
            "sweep.grid.voter.tau_w[1]: must be given once, but 1 is a repetition",
        ),
        ("sweep.grid.voter.top_k=[0]", "sweep.grid.voter.top_k[0]: must be 1 or more, but is 0"),
        (
            "sweep.grid.voter.top_k=[0%]",
            "sweep.grid.voter.top_k[0]: must be a number of heads, a share such as 30%, or all, but is '0%'",
        ),
        (
            "sweep.grid.voter.weight_map=[sofmax]",
            "sweep.grid.voter.weight_map[0]: must be one of softmax, power, but is 'sofmax'",
        ),
        (
            "sweep.metric=acuracy",
            "sweep.metric: must be one of accuracy, macro_f1, exact_match, map, eer, but is 'acuracy'",
        ),
        ("sweep.references=maybe", "sweep.references: must be true or false, but is 'maybe'"),
        ("sweep.grid=5", "sweep.grid: must be a section with keys, but is 5"),
        ("sweep.cases.a=5", "sweep.cases.a: must be a section with keys, but is 5"),
        (
            "sweep.cases.a.voter.tau_w=0",
            "sweep.cases.a.voter.tau_w: must be a finite number above 0, but is 0.0",
        ),
        (
            "sweep.cases.a.voter.tau_p=1",
            "sweep.cases.a.voter.tau_p: is also in sweep.grid; remove it from one of them",
        ),
        ("voter.select=loo", "voter.select: must be none in a sweep, but is loo: sweep.references adds it"),
        ("sweep.gird.voter.tau_p=[1]", "sweep.gird: unknown key; did you mean sweep.grid?"),
    ],
)
def test_an_impossible_value_is_told_with_path_rule_and_value(override, fault):
    assert faults(GOOD, override) == [fault]


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("voter.tau_pp", "did you mean sweep.grid.voter.tau_p?"),
        ("data.draws", "each draw already has a row in the table"),
        ("data.fold", "set data.fold=all"),
        ("methods", "each method already has a row"),
        ("voter.select", "sweep.references"),
        ("data.root", "cannot be varied; choose one of model.last_n_tokens, data.shots"),
    ],
)
def test_a_key_that_cannot_be_varied(key, words):
    (fault,) = faults(GOOD, f"sweep.grid.{key}=[1,2]")
    assert fault.startswith(f"sweep.grid.{key}: ")
    assert words in fault


def test_all_faults_come_together():
    found = faults(
        "data.shots=0", "sweep.grid.voter.tau_p=[0]", "sweep.cases.x.voter.score=dott", "modl.path=x"
    )
    assert [fault.split(":")[0] for fault in found] == [
        "modl",
        "data.shots",
        "sweep.grid.voter.tau_p[0]",
        "sweep.cases.x.voter.score",
    ]


def test_faults_of_combinations_are_told_once():
    (fault,) = faults(GOOD, "sweep.grid.voter.reliability_split=[support,heldout]")
    assert fault.startswith("in the sweep: data.heldout_shots: must be 1 or more if and only if")


def test_nothing_to_vary():
    (fault,) = faults()
    assert "sweep.grid.voter.top_k=[5,10,all]" in fault


def test_other_commands_refuse_the_section():
    with pytest.raises(ConfigError, match="sweep: unknown key"):
        load_config([DEMO, "sweeps/table2.yaml"], [])


@pytest.mark.parametrize("name", shipped_sweeps())
def test_every_shipped_sweep_loads(name):
    job = sweep(files=[name])
    assert len(combinations(job)) >= 1
    assert load_sweep([DEMO, name.removesuffix(".yaml")], []) == job


def test_shipped_sweeps_are_those_of_the_paper():
    assert set(shipped_sweeps()) == {
        *("sweeps/table2.yaml", "sweeps/table3.yaml", "sweeps/figure4.yaml", "sweeps/figure5.yaml"),
        "sweeps/temperatures.yaml",
    }
    grid = (0.001, 0.03, 0.1, 1, 2)
    pairs = [{"tau_p": p, "tau_w": w} for p in grid for w in grid]
    assert values(sweep(files=["sweeps/temperatures.yaml"])) == pairs
    heads = [one["top_k"] for one in values(sweep(files=["sweeps/figure4.yaml"]))]
    assert heads == [5, 10, 20, 40, 100, 300, 500, None]


def test_yaml_gives_back_the_same(write):
    job = sweep(files=["sweeps/table3.yaml"])
    assert load_sweep([write(to_yaml(job))], []) == job


def test_the_hash_is_over_the_job_and_the_sweep():
    one = sweep(GOOD)
    assert sweep_hash(one) == sweep_hash(sweep(GOOD, "trainer.devices=2"))
    others = [sweep(GOOD, change) for change in ("voter.tau_w=1", "sweep.references=false", "data.draws=2")]
    assert len({sweep_hash(job) for job in [one, *others, sweep("sweep.grid.voter.tau_p=[0.2]")]}) == 5


def test_every_varied_setting_is_a_setting():
    for path in SWEPT.values():
        section, name = path.split(".")
        assert hasattr(getattr(sweep(GOOD), section), name)


def test_what_a_sweep_cannot_do_is_refused():
    found = faults("methods=[calm,knn,logistic_regression_hidden]", "sweep.grid.data.shots=[5]")
    assert [fault.partition(" which")[0] for fault in found] == [
        "methods: logistic_regression_hidden reads hidden states,"
    ]
    found = faults("data.support_labels=pseudo", "sweep.grid.data.shots=[5]")
    assert any(fault.startswith("data.support_labels: must be truth in a sweep") for fault in found)


def test_zero_shot_answers_as_a_prior_are_refused():
    found = faults(
        "methods=[zero_shot,calm_auto,calm_auto_zero_shot]",
        "data.n_options=10",
        "sweep.grid.data.shots=[5]",
    )
    assert found == [
        "methods: calm_auto_zero_shot reads zero-shot answers about the support, which a sweep does not keep;"
        " evaluate it with fit-free"
    ]


def test_classifiers_of_scikit_learn_read_shots_and_no_setting_of_calm():
    from calm_pl.sweeps.points import reads

    assert reads("knn") == reads("gda")
    assert set(METHODS.keys()) >= set(sweep("methods=[calm,knn]", "sweep.grid.data.shots=[5]").methods)
