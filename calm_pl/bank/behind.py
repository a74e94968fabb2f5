"""Writes that another thread does, in order, so that the one that encodes need not wait for the disk."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

MOST_PENDING = 3
"""Writes that are not done yet: one in progress, the others waiting. A killed process loses these."""


class WriteBehind:
    """A thread that does writes in the order they come. It lives from the first write to `finish`.

    Writes that nobody finished are done before the interpreter ends. A forked process starts without any.

    Args:
        most_pending: how many may be unfinished; the next one waits for the first of these.
    """

    def __init__(self, most_pending: int = MOST_PENDING) -> None:
        self.most_pending = most_pending
        self._process = os.getpid()
        self._thread: ThreadPoolExecutor | None = None
        self._pending: deque[Future[object]] = deque()

    def put(self, write: Callable[[], object]) -> None:
        """Do a write soon.

        Raises:
            Exception: that of the first write that failed; all before this one have been tried, and this one
                is not done.
        """
        self._leave_to_parent()
        while self._pending and (self._pending[0].done() or len(self._pending) >= self.most_pending):
            if self._pending[0].exception() is not None:  # waits for it
                self.finish()
            self._pending.popleft()
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="calm_pl_bank")
        self._pending.append(self._thread.submit(write))

    def finish(self) -> None:
        """Wait for all writes, and end the thread.

        Raises:
            Exception: that of the first write that failed.
        """
        self._leave_to_parent()
        if self._thread is None:
            return
        self._thread.shutdown()
        failures = [one.exception() for one in self._pending]
        self._thread = None
        self._pending.clear()
        for failure in failures:
            if failure is not None:
                raise failure

    def _leave_to_parent(self) -> None:
        """Forget writes of the process from which this one was forked: its thread is not here."""
        if self._process != os.getpid():
            self._process, self._thread = os.getpid(), None
            self._pending.clear()
