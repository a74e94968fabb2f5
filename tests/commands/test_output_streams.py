"""A finished job does not fail because its output cannot be written."""

import io
import json
import os
import subprocess
import sys

import pytest
from conftest import REPO, outside

from calm_pl.commands.main import main


@pytest.fixture
def full():
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    with open("/dev/full", "w") as file:
        yield file


def finished(tmp_path):
    return (tmp_path / "run" / "results.json").is_file() and (tmp_path / "run" / "predictions.csv").is_file()


def test_a_job_whose_output_is_full_is_finished(small_job, tmp_path, monkeypatch, full, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdout", full)
    assert main(["fit-free", *small_job]) == 0
    assert finished(tmp_path)
    assert "warning: standard output could not be written: No space left on device" in capfd.readouterr().err


def test_a_job_whose_output_has_few_signs_is_finished(small_job, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ascii_only = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", ascii_only)
    assert main(["fit-free", *small_job]) == 0
    assert finished(tmp_path)
    assert b"CALM-Global" in ascii_only.buffer.getvalue()


def test_a_job_without_output_is_finished(small_job, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["fit-free", *small_job]) == 0
    assert finished(tmp_path)


def test_a_command_whose_output_is_all_it_gives_fails_with_it(monkeypatch, full, capfd):
    monkeypatch.setattr(sys, "stdout", full)
    assert main(["list", "benchmarks"]) == 1
    assert "warning: standard output could not be written" in capfd.readouterr().err


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&-"])
def test_closed_descriptors_are_no_files(closed, tmp_path):
    code = (
        "import json, os, sys; from calm_pl.commands.main import main; status = main(['list', 'models']);"
        " file = open('told.json', 'w'); json.dump([status, file.fileno() > 2], file)"
    )
    env = {**outside(), "PYTHONPATH": str(REPO)}
    shell = ["sh", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, code]
    subprocess.run(
        shell, cwd=tmp_path, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    assert json.loads((tmp_path / "told.json").read_text()) == [0, True]


def test_the_streams_are_given_back(capsys):
    before = sys.stdout, sys.stderr
    assert main(["--version"]) == 0
    assert (sys.stdout, sys.stderr) == before
    assert capsys.readouterr().out.strip()
