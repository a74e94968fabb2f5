"""The same command again keeps what the run that encoded found out."""

import json
from datetime import datetime, timedelta

import pytest

from calm_pl.runs.findings import with_earlier

OLD = {"config_hash": "c", "weights": "w", "self_check": {"drift": 1e-6}, "encodings": [{"questions": 9}]}
NEW = {"config_hash": "c", "weights": "w", "self_check": None, "encodings": []}


@pytest.mark.parametrize(
    ("old", "new", "check", "encodings"),
    [
        ({}, {}, {"drift": 1e-6}, [9]),
        ({}, {"encodings": [{"questions": 2}], "self_check": {"drift": 0}}, {"drift": 0}, [9, 2]),
        ({"config_hash": "d"}, {}, None, []),
        ({"weights": "v"}, {}, None, []),
        ({"config_hash": ""}, {"config_hash": ""}, None, []),
        ({"encodings": None}, {}, {"drift": 1e-6}, []),
    ],
)
def test_what_is_kept(tmp_path, old, new, check, encodings):
    (tmp_path / "results.json").write_text(json.dumps(OLD | old))
    found = with_earlier(tmp_path / "results.json", NEW | new)
    assert found["self_check"] == check
    assert [one["questions"] for one in found["encodings"]] == encodings


@pytest.mark.parametrize("damage", [None, "", "{", "[]"])
def test_nothing_earlier(tmp_path, damage):
    if damage is not None:
        (tmp_path / "results.json").write_text(damage)
    assert with_earlier(tmp_path / "results.json", NEW) == NEW


def test_a_second_run_of_the_command_keeps_check_time_host_and_one_board(call, small_job, tmp_path):
    job = ("fit-free", *small_job, "bank.dir=bank", "wandb.mode=offline", "model.self_check=true")
    results = []
    for _ in range(2):
        assert call(*job).returncode == 0
        results.append(json.loads((tmp_path / "run" / "results.json").read_text()))
    first, second = results
    assert first["self_check"]["silence_change"] > 0
    made = first["provenance"]
    assert made["command"].startswith("python launch.py fit-free data.benchmark=esc50 data.root=")
    assert (made["device"], made["ranks"], made["model_commit"]) == ("cpu", 1, None)
    assert made["host"] == first["encodings"][0]["host"]
    assert datetime.fromisoformat(made["date"]).utcoffset() == timedelta(0)
    assert first["setting"] == {
        **{"title": "ESC-50", "n_classes": 3, "full_classes": 50, "n_clips": 45, "full_clips": 2000},
        **{"shots": 4, "n_options": 3, "fold": None, "n_folds": 1, "n_draws": 1},
    }
    assert "ESC-50 subset, 3 of 50 classes, 4 shots\n" in (tmp_path / "run" / "results.md").read_text()
    assert second["self_check"] == first["self_check"]
    assert second["encodings"] == first["encodings"]
    (one,) = first["encodings"]
    assert (one["questions"], one["device"], one["ranks"]) == (21, "cpu", 1)
    assert one["seconds"] > 0
    assert one["host"]
    (board,) = (tmp_path / "run" / "wandb").glob("offline-run-*")
    mine = board.with_name("offline-run-20200101_000000-mine")
    mine.mkdir()
    assert call(*job, "data.shots=2", "run.overwrite=true").returncode == 0
    boards = set((tmp_path / "run" / "wandb").glob("offline-run-*"))
    assert mine in boards
    assert board not in boards
    assert len(boards) == 2
    assert json.loads((tmp_path / "run" / "results.json").read_text())["encodings"] == []
