"""Command lines in processes forked from one that has imported everything: no seconds of importing each.

Each is a process of its own, with its own folder, environment and output, as a command line is; only its
start is not. What a start itself does is tested by `launch(..., cold=True)`.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

_CONTEXT = multiprocessing.get_context("forkserver")
_OWN_METHOD = multiprocessing.get_all_start_methods()[0]


class Finished(NamedTuple):
    """What a command line left."""

    returncode: int
    stdout: str
    stderr: str


def _prepare() -> None:
    """Start the process to fork from; it looks for modules where PYTHONPATH says, not where this one does."""
    here = Path(__file__).parent
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(here), str(here.parent)])
    _CONTEXT.set_forkserver_preload(["warm_preload"])
    forkserver.ensure_running()
    os.environ.pop("PYTHONPATH")
    if before is not None:
        os.environ["PYTHONPATH"] = before


def start(
    folder: Path,
    args: Sequence[str],
    env: Mapping[str, str],
    stdout: Path,
    stderr: Path,
    first: Callable[[], None] | None = None,
) -> BaseProcess:
    """Start a command line in a folder.

    Args:
        folder: where it runs.
        args: what follows `launch.py`.
        env: its whole environment.
        stdout: file that takes what it prints, after what is there.
        stderr: likewise.
        first: called in it before the command.
    """
    _prepare()
    process = _CONTEXT.Process(
        target=_run, args=(str(folder), list(args), dict(env), str(stdout), str(stderr), first)
    )
    process.start()
    return process


def rank_environments(ranks: int) -> list[dict[str, str]]:
    """What each rank of a job finds in its environment, as those of a cluster do; nothing for one rank."""
    if ranks == 1:
        return [{}]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "NODE_RANK": "0",
        "WORLD_SIZE": str(ranks),
    }
    return [{**shared, "LOCAL_RANK": str(rank)} for rank in range(ranks)]


def launched(folder: Path, args: Sequence[object], env: Mapping[str, str], timeout: float = 240) -> Finished:
    """Run a command line to its end, on as many ranks as its `trainer.devices` says."""
    words = [str(arg) for arg in args]
    devices = [word.partition("=")[2] for word in words if word.startswith("trainer.devices=")]
    ranks = int(devices[-1]) if devices and devices[-1].isdigit() else 1
    with tempfile.TemporaryDirectory() as outputs:
        stdout, stderr = Path(outputs, "stdout"), Path(outputs, "stderr")
        stdout.touch()
        stderr.touch()
        processes = [
            start(folder, words, {**env, **one}, stdout, stderr) for one in rank_environments(max(ranks, 1))
        ]
        deadline = time.monotonic() + timeout
        for process in processes:
            process.join(max(0.0, deadline - time.monotonic()))
        late = [process for process in processes if process.is_alive()]
        for process in late:
            process.kill()
        if late:
            raise AssertionError(f"{' '.join(words)} did not end:\n{stdout.read_text()}{stderr.read_text()}")
        return Finished(processes[0].exitcode or 0, stdout.read_text(), stderr.read_text())


def _run(
    folder: str,
    args: list[str],
    env: dict[str, str],
    stdout: str,
    stderr: str,
    first: Callable[[], None] | None,
) -> None:
    """The whole life of such a process."""
    # The start method came along from `_CONTEXT`; a command line has its platform's own.
    multiprocessing.set_start_method(_OWN_METHOD, force=True)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    for name, number in ((stdout, 1), (stderr, 2)):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    sys.argv = ["launch.py", *args]
    if first is not None:
        first()
    from calm_pl.commands.main import main

    sys.exit(main(args))
