"""`dashboard`: the workspace as it would be sent; nothing is sent here."""

import json

import pytest
from conftest import REPO

from calm_pl.methods import METHODS

pytest.importorskip("wandb_workspaces", reason="wandb-workspaces is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # its own, of pydantic


@pytest.fixture
def spec(call, monkeypatch):
    """What `dashboard --print` prints, without any connection."""

    def refuse(*_):
        raise AssertionError("a connection was tried")

    def run(*arguments):
        monkeypatch.setattr("socket.socket.connect", refuse)
        result = call("dashboard", "--entity", "team", "--print", *arguments)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    return run


def sections(spec):
    return {one["name"]: one["panels"] for one in spec["spec"]["section"]["panelBankConfig"]["sections"]}


def test_panels_read_what_runs_write(spec):
    made = spec("--project", "p")
    assert (made["entity"], made["project"]) == ("team", "p")
    found = sections(made)
    (bars, _) = found["Results"]
    assert bars["config"]["metrics"] == [
        f"summary_metrics.test/{name}/accuracy" for name in METHODS.all_keys()
    ]
    against = [panel["config"]["xAxis"] for panel in found["Settings"]]
    assert against == ["config:data.value.shots", "config:voter.value.tau_p", "config:voter.value.top_k"]
    (rounds,) = found["Folds and draws"]
    assert rounds["config"]["metrics"] == [f"rounds/{name}/accuracy" for name in METHODS.all_keys()]
    tables = json.dumps(found["Tables"])
    for name in ("test/methods", "test/predictions", "test/listen", "test/differences", "test/confusion"):
        assert name in tables


def test_choices(spec):
    made = spec("--method", "sav", "--metric", "macro_f1", "--vary", "voter.sav_top_k", "--name", "mine")
    (panel,) = sections(made)["Settings"]
    assert panel["config"]["xAxis"] == "config:voter.value.sav_top_k"
    assert panel["config"]["yAxis"] == "summary:test/sav/macro_f1"
    assert made["displayName"] == "mine"


def test_the_package_is_named_where_it_is_absent(call, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "wandb_workspaces.workspaces", None)
    result = call("dashboard", "--entity", "team", "--print")
    assert result.returncode == 1
    assert "calm_pl[dashboard]" in result.stderr
    assert "dashboard = [" in (REPO / "pyproject.toml").read_text()


def test_without_a_server_it_says_so(call, monkeypatch):
    monkeypatch.setattr(
        "wandb_workspaces.workspaces.Workspace.save", lambda _: (_ for _ in ()).throw(OSError("no route"))
    )
    result = call("dashboard", "--entity", "team")
    assert result.returncode == 1
    assert "Weights & Biases: no route" in result.stderr
