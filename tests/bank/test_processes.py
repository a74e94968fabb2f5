"""Several processes, some killed: nothing is lost but the batch in flight, nothing read is wrong."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

CROWD = Path(__file__).with_name("crowd.py")


def run(what, folder):
    done = subprocess.run(
        [sys.executable, str(CROWD), what, str(folder)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def test_killed_at_twenty_random_moments(tmp_path):
    outcome, _ = run("killed_at_random", tmp_path / "bank")
    assert outcome["killed"] == 20
    assert outcome["batches"] > 5


def test_killed_while_a_thread_writes(tmp_path):
    outcome, _ = run("killed_behind", tmp_path / "bank")
    assert outcome["killed"] == 10
    assert outcome["batches"] > 5


def test_killed_before_every_call_that_touches_a_file(tmp_path):
    outcome, _ = run("killed_everywhere", tmp_path)
    assert outcome["killed"] > 50
    assert outcome["batches"] > 100


def test_a_bank_opened_before_a_fork(tmp_path):
    outcome, _ = run("forked", tmp_path / "bank")
    assert outcome["records"] == 23


@pytest.mark.parametrize("turn", range(2))
def test_writers_a_reader_and_two_pruners_at_once(tmp_path, turn):
    outcome, errors = run("together", tmp_path / "bank")
    assert outcome["failed"] == 0, errors
    assert outcome["records"] == outcome["expected"]
    assert outcome["shards"] == 1
