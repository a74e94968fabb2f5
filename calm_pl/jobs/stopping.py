"""Stop a job on signals, and when the process that started it ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_PR_SET_PDEATHSIG = 1  # from Linux's prctl.h


class StoppedError(BaseException):
    """A signal asked the job to end.

    Like KeyboardInterrupt it is no `Exception`: code that takes any of those for a fault of a file or a model
    must not take this for one.

    Attributes:
        signal: its number.
    """

    def __init__(self, number: int) -> None:
        self.signal = number
        super().__init__(signal.Signals(number).name)


@contextmanager
def stoppable() -> Iterator[None]:
    """End the block by `StoppedError` at SIGTERM, and at SIGUSR1, which SLURM can send ahead of time.

    What the head bank holds by then stays: an append is whole or was not made.
    """
    numbers = [signal.SIGTERM]
    if hasattr(signal, "SIGUSR1"):  # not on Windows
        numbers.append(signal.SIGUSR1)

    def stop(number: int, frame: FrameType | None) -> None:
        for one in numbers:
            signal.signal(one, signal.SIG_IGN)  # the first is enough; a second must not cut the ending short
        raise StoppedError(number)

    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_with_parent() -> None:
    """End a rank that Lightning started when the main process ends, however that ends.

    Without it a rank whose first process was killed waits for it as long as the communication's own time
    limit, half an hour for NCCL. torchrun and SLURM watch their ranks themselves.
    """
    started_by_lightning = int(os.environ.get("LOCAL_RANK", "0")) > 0
    if not started_by_lightning or "TORCHELASTIC_RUN_ID" in os.environ or "SLURM_JOB_ID" in os.environ:
        return
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
