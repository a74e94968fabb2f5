"""The table of methods says all that the house knows of one, and takes rows from outside."""

import dataclasses
import importlib.metadata

import pytest

from calm_pl.config.schema import Config, DataConfig, ModelConfig
from calm_pl.errors import ConfigError, RunError
from calm_pl.methods import METHODS, Method, MethodTable, Reads
from calm_pl.methods.build import build_voter, build_voters
from calm_pl.voters import HeadVoter


def config(**changes):
    return Config(ModelConfig("m"), DataConfig(root="r", benchmark="esc50"), **changes)


@pytest.mark.parametrize("row", [row for row in METHODS if row.voter], ids=lambda row: row.key)
def test_every_row_with_a_voter_builds_one_that_takes_its_settings(row):
    if row.package:
        pytest.importorskip(row.package)
    voter = build_voter(row, config())
    assert isinstance(voter, HeadVoter)
    assert Reads(voter.reads) is row.reads
    for name, path in row.settings.items():
        section, key = path.split(".")
        assert voter.get_params()[name] == getattr(getattr(config(), section), key)
    assert row.description.endswith(".")


def test_the_methods_of_the_paper_come_by_default_and_in_its_order():
    assert config().methods == ["zero_shot", "sav", "calm_global", "calm"]
    assert METHODS.preferred() == ["calm_auto", "calm", "gda", "calm_global", "sav"]


def test_settings_reach_the_voters():
    settings = config()
    settings.voter = dataclasses.replace(settings.voter, tau_p=0.5, sav_top_k=3)
    voters = build_voters(["calm", "zero_shot", "sav"], settings)
    assert list(voters) == ["sav", "calm"]  # the order of the table
    assert voters["calm"].get_params()["tau_p"] == 0.5
    assert voters["sav"].get_params()["top_k"] == 3


def test_a_package_that_is_not_there_is_named_with_what_installs_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(RunError, match=r"knn need scikit-learn: pip install 'calm_pl\[compare\]'"):
        build_voters(["sav", "knn"], config())


@pytest.mark.parametrize(
    ("key", "title"),
    [
        ("sav", "SAVs"),
        ("calm_oracle", "CALM, oracle"),
        ("calm_auto+pl", "CALM-Auto+PL"),
        ("calm_global_oracle+pl", "CALM-Global, oracle+PL"),
        ("calm_k10", "calm_k10"),
        ("mine+pl", "mine+PL"),
    ],
)
def test_titles(key, title):
    assert METHODS.title(key) == title


def test_no_two_methods_have_a_title_or_a_rank_in_common():
    for values in ([row.title for row in METHODS], [row.rank for row in METHODS if row.rank is not None]):
        assert len(set(values)) == len(values)


def test_what_a_method_is_made_of_is_there_too():
    for row in METHODS:
        assert all(name in METHODS for name in row.needs)


@pytest.mark.parametrize(
    "changes", [{"key": "Calm"}, {"key": "x_oracle"}, {"key": "a+pl"}, {"voter": "Calm"}]
)
def test_rows_that_cannot_be_are_refused(changes):
    with pytest.raises(ValueError, match=r"Expected (the|a method)"):
        Method(**{"key": "x", "title": "X", "description": "An x.", **changes})


def test_a_taken_key_is_refused_and_the_same_row_again_is_not():
    table = MethodTable([Method("x", "X", "An x.")])
    table.add(Method("x", "X", "An x."))
    with pytest.raises(ConfigError, match="x already exists"):
        table.add(Method("x", "Other", "Another x."))


def test_an_unknown_method_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match="but contains 'calm_gobal'; did you mean calm_global"):
        METHODS["calm_gobal"]


class Point:
    """An entry point of another package."""

    name = value = "theirs"
    dist = None

    def __init__(self, found):
        self.found = found

    def load(self):
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


@pytest.fixture
def entry_point(monkeypatch):
    def stand_in(found):
        monkeypatch.setattr("calm_pl.rows.points_of", lambda group: {"theirs": Point(found)})
        return MethodTable([Method("x", "X", "An x.")])

    return stand_in


def test_methods_of_other_packages_come_by_entry_point(entry_point):
    table = entry_point(Method("theirs", "Theirs", "From elsewhere."))
    assert table.keys() == ("x", "theirs")
    assert table.title("theirs+pl") == "Theirs+PL"


@pytest.mark.parametrize(
    ("found", "told"), [(ImportError("gone"), "ImportError: gone"), (3, "must be a calm_pl.methods.Method")]
)
def test_an_entry_point_that_fails_is_named(entry_point, found, told):
    with pytest.raises(ConfigError, match=told):
        entry_point(found).keys()


def test_the_group_of_entry_points_is_the_documented_one():
    from calm_pl.methods.table import ENTRY_POINTS

    assert ENTRY_POINTS == "calm_pl.methods"
    assert importlib.metadata.entry_points(group=ENTRY_POINTS) is not None
