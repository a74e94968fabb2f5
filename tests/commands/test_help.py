"""Help and wrong calls answer at once, judged by what they import; `benchmarks/start_up.py` times them."""

import json
import subprocess
import sys

import pytest
from conftest import REPO, outside

from calm_pl.commands.main import COMMANDS

HEAVY = ("torch", "lightning", "torchmetrics", "transformers", "wandb", "matplotlib", "scipy", "omegaconf")
"""What takes longest to import, longest first."""


def imported(tmp_path, *args):
    """The exit status of a command line of its own, what it printed, and which of `HEAVY` it imported."""
    code = (
        "import json, sys\n"
        "from calm_pl.commands.main import main\n"
        "sys.argv = ['launch.py']\n"
        f"try: status = main({[str(arg) for arg in args]!r})\n"
        "except SystemExit as stop: status = stop.code\n"
        f"print(json.dumps([status, [name for name in {HEAVY!r} if name in sys.modules]]))"
    )
    env = {**outside(), "PYTHONPATH": str(REPO)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    *shown, last = done.stdout.splitlines()
    status, names = json.loads(last)
    return status, "\n".join(shown) + done.stderr, names


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples(launch, command):
    result = launch(command, "--help", check=True)
    assert "examples:" in result.stdout
    assert "launch.py" in result.stdout


@pytest.mark.parametrize("command", [[], *[[name] for name in COMMANDS]], ids=str)
def test_help_imports_little(tmp_path, command):
    status, shown, names = imported(tmp_path, *command, "--help")
    assert status == 0
    assert "examples:" in shown
    assert set(names) <= {"omegaconf"}


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["predict", "--classifier", "x", "nope.wav"], "x: cannot be read as a classifier"),
        (["predict", "--classifier", __file__, "nope.wav"], "nope.wav: no such file"),
        (["predict", "--classifier", __file__, "--coverage", "2", __file__], "--coverage"),
        (["fit-free", "--config", "demo.yaml", "data.shot=3"], "data.shots"),
        (["fit-free", "--config", "demo.yaml", "data.root=/nope"], "data.root is '/nope'"),
        (["fit-free", "--config", "demo.yaml", "model.path=/nope"], "model.path is '/nope'"),
        (["fit-free", "--config", "demo.yaml", "model.mask=nope"], "model.mask is 'nope'"),
        (["fit-free", "--config", "manifest.yaml", "data.manifest=nope.csv"], "data.manifest is 'nope.csv'"),
        (["train", "nope"], "nope: no such folder"),
        (["train", str(REPO), "data.shot=3"], "data.shots"),
        (["extract", "--config", "demo.yaml", "data.root=/nope"], "data.root is '/nope'"),
        (["pseudo-label", "--config", "demo.yaml", "data.root=/nope"], "data.root is '/nope'"),
        (["sweep", "--config", "demo.yaml", "sweep.gird=1"], "sweep.grid"),
        (
            ["sweep", "--config", "demo.yaml", "--config", "sweeps/table2.yaml", "data.root=/nope"],
            "data.root",
        ),
        (["fit-mask", "task.manifest=nope.csv", "model.path=/nope"], "model.path is '/nope'"),
        (["masks", "compare", "nope.safetensors"], "nope.safetensors"),
        (["report", "nope"], "results.json"),
        (["table", "nope"], "results.json"),
        (["figures", "nope"], "nope"),
        (["bank", "info", "nope"], "nope"),
    ],
    ids=lambda value: " ".join(value[:3]) if isinstance(value, list) else None,
)
def test_a_wrong_call_is_told_before_torch_is_imported(tmp_path, args, told):
    status, shown, names = imported(tmp_path, *args)
    assert status == 1, shown
    assert told in shown
    assert set(names) <= {"omegaconf"}


def test_an_unknown_command(launch):
    result = launch("fit-fre")
    assert result.returncode == 2
    assert "fit-free" in result.stderr


def test_version(launch):
    from calm_pl import __version__

    assert launch("--version", check=True).stdout.strip() == __version__
