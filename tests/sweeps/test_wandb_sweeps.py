"""The W&B sweep files: the commands that W&B's agent makes of them work with the real command line."""

import itertools

import pytest
import yaml

from calm_pl.commands.main import main
from calm_pl.config.layers import config_dir

FILES = sorted(config_dir().glob("sweeps/wandb/*.yaml"))


def commands(path):
    """What the agent runs for some points, each value among them, by its own functions."""
    utils = pytest.importorskip("wandb.sdk.launch.sweeps.utils")
    sweep = yaml.safe_load(path.read_text())
    axes = sweep["parameters"]
    for values in itertools.zip_longest(*(axis["values"] for axis in axes.values())):
        values = [
            axis["values"][0] if v is None else v for v, axis in zip(values, axes.values(), strict=True)
        ]
        point = {name: {"value": value} for name, value in zip(axes, values, strict=True)}
        macros = utils.create_sweep_command_args({"args": point})
        template = utils.create_sweep_command(list(sweep["command"]))
        command = [part for chunk in template for part in macros.get(str(chunk)[2:-1], [chunk])]
        yield values, command


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_command_is_a_configuration(path, monkeypatch, capsys):
    monkeypatch.setenv("ESC50_ROOT", "/data/ESC-50")
    sweep = yaml.safe_load(path.read_text())
    assert (sweep["program"], sweep["method"]) == ("launch.py", "grid")
    keys = list(sweep["parameters"])
    seen = 0
    for values, command in commands(path):
        assert command[:4] == ["${env}", "${interpreter}", "${program}", "fit-free"]  # replaced by the agent
        assert main([*command[3:], "--print-config"]) == 0
        shown = yaml.safe_load(capsys.readouterr().out)
        assert shown["data"]["root"] == "/data/ESC-50"
        for key, value in zip(keys, values, strict=True):
            section, name = key.split(".")
            assert shown[section][name] == (None if value == "null" else value)
        seen += 1
    assert seen == max(len(axis["values"]) for axis in sweep["parameters"].values())


def test_the_metric_is_one_that_fit_free_logs():
    for path in FILES:
        _, method, metric = yaml.safe_load(path.read_text())["metric"]["name"].split("/")
        assert (method, metric) == ("calm", "accuracy")  # as tests of the run on W&B find it


def test_there_are_some():
    assert len(FILES) >= 2
