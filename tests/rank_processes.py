"""Jobs on several ranks whose batches take their time, so that they can be stopped amid their work."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, NamedTuple

from warm_processes import rank_environments, start

SLOW, LOG = "TEST_BATCH_SECONDS", "TEST_ENCODED_LOG"


class Ended(NamedTuple):
    """What the ranks of a job left."""

    statuses: list[int | None]
    output: str


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
        folder.mkdir(exist_ok=True)
        self.output = folder / f"{name}.txt"
        self.log = folder / f"{name}.encoded"
        slow = {**os.environ, SLOW: str(seconds), LOG: str(self.log)}
        self.ranks = [
            start(folder, args, {**slow, **one}, self.output, self.output, first=slow_and_logged)
            for one in rank_environments(ranks)
        ]

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


def slow_and_logged() -> None:
    """Let each batch take its time, and write down its clips."""
    from calm_pl.evaluation import encoding

    encode = encoding.encode

    def encoded(lalm: Any, batch: Any, *rest: Any) -> Any:
        result = encode(lalm, batch, *rest)
        with open(os.environ[LOG], "a", encoding="utf-8") as file:
            file.write("".join(f"{key}\n" for key in batch.keys))
        time.sleep(float(os.environ[SLOW]))
        return result

    encoding.encode = encoded
