"""A run folder belongs to one job at a time, until that job ends, however it ends."""

import errno
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys

import pytest
from conftest import REPO, outside

from calm_pl.errors import RunError
from calm_pl.runs import lock
from calm_pl.runs.lock import FILE, RunLock

HOLDS = """
import sys, time
from pathlib import Path
from calm_pl.runs.lock import RunLock
RunLock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of a folder."""
    command = [sys.executable, "-c", HOLDS, str(tmp_path)]
    process = subprocess.Popen(command, cwd=REPO, env=outside(), stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_another_process_is_refused_until_the_first_is_killed(tmp_path, holder):
    told = (
        rf"in use by another job \(process {holder.pid} on {socket.gethostname()}, since 20.*run\.dir=FOLDER"
    )
    with pytest.raises(RunError, match=told):
        RunLock(tmp_path)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    mine = RunLock(tmp_path)
    assert json.loads((tmp_path / FILE).read_text())["pid"] == os.getpid()
    mine.release()
    mine.release()
    assert list(tmp_path.iterdir()) == []


def test_another_job_of_the_process_is_refused_and_a_fork_holds_nothing(tmp_path):
    mine = RunLock(tmp_path)
    with pytest.raises(RunError, match="another job of this process"):
        RunLock(tmp_path)
    child = multiprocessing.get_context("fork").Process(target=signal.pause)
    child.start()
    mine.release()
    code = (
        f"from pathlib import Path; from calm_pl.runs.lock import RunLock; RunLock(Path({str(tmp_path)!r}))"
    )
    try:
        subprocess.run([sys.executable, "-c", code], cwd=REPO, env=outside(), check=True)
    finally:
        child.kill()
        child.join()
        child.close()


def test_a_lock_file_that_goes_meanwhile_is_made_again(tmp_path, monkeypatch):
    locked, calls = lock._locked, []

    def goes(file):
        calls.append(file)
        if len(calls) == 1:
            (tmp_path / FILE).unlink()  # the job that had it has ended
        return locked(file)

    monkeypatch.setattr(lock, "_locked", goes)
    mine = RunLock(tmp_path)
    assert len(calls) == 2
    assert (tmp_path / FILE).exists()
    mine.release()


@pytest.mark.parametrize(
    ("record", "held"),
    [
        ({}, False),
        ({"pid": os.getpid(), "started": "own"}, True),
        ({"pid": os.getpid(), "started": "12"}, False),  # an earlier process of that number
        ({"pid": 2**22 + 7, "started": "12"}, False),
        ({"host": "elsewhere", "pid": 1, "started": "12"}, True),
    ],
)
def test_without_locks_of_the_file_system_the_record_decides(tmp_path, monkeypatch, record, held):
    def unsupported(*_):
        raise OSError(errno.ENOSYS, "no locks here")

    monkeypatch.setattr("fcntl.lockf", unsupported)
    if record:
        record = {"host": socket.gethostname(), **record}
        if record["started"] == "own":
            record["started"] = lock._started(os.getpid())
    (tmp_path / FILE).write_text(json.dumps(record))
    if held:
        with pytest.raises(RunError, match=r"If that process is gone, delete '.*\.lock'"):
            RunLock(tmp_path)
    else:
        RunLock(tmp_path).release()
