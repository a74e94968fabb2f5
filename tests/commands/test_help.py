"""Help answers at once, and shows examples."""

import time

import pytest


@pytest.mark.parametrize(
    "command", [[], ["fit-free"], ["sweep"], ["predict"], ["bank"], ["pseudo-label"]], ids=str
)
def test_help_is_quick_and_has_examples(launch, command):
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        result = launch(*command, "--help", check=True)
        seconds.append(time.perf_counter() - start)
    assert "examples:" in result.stdout
    assert "launch.py" in result.stdout
    assert min(seconds) < 1.5


def test_an_unknown_command(launch):
    result = launch("fit-fre")
    assert result.returncode == 2
    assert "fit-free" in result.stderr


def test_version(launch):
    from calm_pl import __version__

    assert launch("--version", check=True).stdout.strip() == __version__


def test_no_heavy_import_for_help(launch):
    import subprocess
    import sys

    code = (
        "import sys, calm_pl.commands.main as m\n"
        "try: m.main(['fit-free', '--help'])\n"
        "except SystemExit: pass\n"
        "print([n for n in ('torch', 'lightning', 'transformers', 'wandb') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
