"""A run folder holds one run: the files of an earlier one go, those of the user stay, pages never mix."""

import json
import os

import pytest
from conftest import ALL_CALLBACKS

from calm_pl.runs.lock import RunLock

OURS = {
    *("results.json", "results.md", "config.yaml", "classifier.safetensors", "skipped.csv", "predictions.csv")
}


def names(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def run(call, small_job):
    def run(*args, status=0):
        result = call("fit-free", *small_job, "bank.dir=bank", *args)
        assert result.returncode == status, result.stdout + result.stderr
        return result

    return run


def test_fewer_callbacks_leave_no_files_of_the_earlier_run(run, tmp_path):
    folder = tmp_path / "run"
    (folder / "wandb" / "offline-run-1").mkdir(parents=True)
    os.utime(folder / "wandb" / "offline-run-1", (0, 0))
    assert "wandb sync" not in run(*ALL_CALLBACKS, "wandb.mode=disabled").stdout  # that is an earlier run's
    before = names(folder)
    assert {"report.html", "figures/index.json"} <= before
    mine = {"notes.txt", "figures/mine.svg", "logs/mine.csv", "my_predictions.csv"}
    for name in mine:
        (folder / name).write_text("mine")
    run("data.shots=2", "run.overwrite=true", "callbacks=[predictions,run_record]")
    left = names(folder)
    assert mine <= left
    assert {name for name in left - mine if not name.startswith("logs/")} == OURS
    results = json.loads((folder / "results.json").read_text())
    assert results["n_support"] == 6
    run("data.shots=2", "run.overwrite=true", "callbacks=[predictions]")
    assert {name for name in names(folder) - mine if not name.startswith("logs/")} == {
        "config.yaml",
        "predictions.csv",
    }
    for name in mine:
        assert (folder / name).read_text() == "mine"


def test_predictions_of_another_run_are_not_taken_for_these(run, call, tmp_path):
    run()
    path = tmp_path / "run" / "predictions.csv"
    first = path.read_bytes()
    run("data.shots=2", "run.dir=other")
    path.write_bytes((tmp_path / "other" / "predictions.csv").read_bytes())
    for command in ("report", "figures"):
        result = call(command, "run")
        assert result.returncode == 1
        assert "predictions.csv: is not the one that run/results.json was written with" in result.stderr
    path.write_bytes(first)
    assert call("report", "run", "--no-audio").returncode == 0


def test_a_folder_in_use_is_refused_at_the_start(run, call, small_job, tmp_path):
    (tmp_path / "run").mkdir()
    held = RunLock(tmp_path / "run")
    assert "The run folder 'run' is in use by another job" in run(status=1).stderr
    held.release()
    run()
    assert not (tmp_path / "run" / ".lock").exists()
    sweep = ("sweep", *small_job, "sweep.grid.voter.tau_p=[0.1]")
    result = call(*sweep)
    assert result.returncode == 1
    assert "holds a run. Choose another run.dir, or set run.overwrite=true" in result.stderr
    assert call(*sweep, "run.overwrite=true").returncode == 0
    assert not {"results.json", "results.md", "predictions.csv", "classifier.safetensors"} & names(
        tmp_path / "run"
    )
    assert "holds a sweep" in run(status=1).stderr
    run("run.overwrite=true")
    assert not {"sweep.csv", "sweep.json", "sweep.parquet"} & names(tmp_path / "run")
