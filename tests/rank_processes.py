"""Jobs on several ranks, forked from one process that has imported everything: no seconds of importing."""

from __future__ import annotations

import multiprocessing
import os
import socket
import sys
from multiprocessing import forkserver
from pathlib import Path
from typing import Any, NamedTuple

_CONTEXT = multiprocessing.get_context("forkserver")
SLOW, LOG = "TEST_BATCH_SECONDS", "TEST_ENCODED_LOG"


class Ended(NamedTuple):
    """What the ranks of a job left."""

    statuses: list[int | None]
    output: str


def _prepare() -> None:
    """Start the process to fork from; it looks for modules where PYTHONPATH says, not where this one does."""
    here = Path(__file__).parent
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(here), str(here.parent)])
    _CONTEXT.set_forkserver_preload(["rank_preload"])
    forkserver.ensure_running()
    os.environ.pop("PYTHONPATH")
    if before is not None:
        os.environ["PYTHONPATH"] = before


class Job:
    """A command line on every rank; the ranks find each other as those of a cluster do.

    Args:
        folder: where it runs; its `output.txt` takes what is printed.
        args: of the command line.
        ranks: how many.
        seconds: what encoding a batch takes at least.
        name: of the log that names each encoded clip, before the bank has it.
    """

    def __init__(self, folder: Path, args: list[str], ranks: int, seconds: float, name: str) -> None:
        _prepare()
        folder.mkdir(exist_ok=True)
        self.output = folder / f"{name}.txt"
        self.log = folder / f"{name}.encoded"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.ranks = []
        for rank in range(ranks):
            env = {SLOW: str(seconds), LOG: str(self.log)}
            if ranks > 1:
                env |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "NODE_RANK": "0"}
                env |= {"LOCAL_RANK": str(rank), "WORLD_SIZE": str(ranks)}
            process = _CONTEXT.Process(target=run_rank, args=(str(folder), args, env, str(self.output)))
            process.start()
            self.ranks.append(process)

    def kill(self, number: int) -> None:
        for rank in self.ranks:
            if rank.is_alive():
                os.kill(rank.pid, number)

    def encoded(self) -> list[str]:
        return self.log.read_text().split() if self.log.exists() else []

    def wait(self, seconds: float = 60) -> Ended:
        for rank in self.ranks:
            rank.join(seconds)
            if rank.is_alive():
                rank.kill()
                raise AssertionError("a rank did not end:\n" + self.output.read_text())
        return Ended([rank.exitcode for rank in self.ranks], self.output.read_text())


def run_rank(folder: str, args: list[str], env: dict[str, str], output: str) -> None:
    """One rank's whole life."""
    os.chdir(folder)
    os.environ.update(env)
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.argv = ["launch.py", *args]
    from calm_pl.commands.main import main

    slow_and_logged()
    sys.exit(main(args))


def slow_and_logged() -> None:
    """Let each batch take its time, and write down its clips."""
    import time

    from calm_pl import encoding

    encode = encoding.encode

    def encoded(lalm: Any, batch: Any, *rest: Any) -> Any:
        result = encode(lalm, batch, *rest)
        with open(os.environ[LOG], "a", encoding="utf-8") as file:
            file.write("".join(f"{key}\n" for key in batch.keys))
        time.sleep(float(os.environ[SLOW]))
        return result

    encoding.encode = encoded
