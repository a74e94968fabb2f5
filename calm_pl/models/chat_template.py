"""Try a checkpoint's chat template where it can do no harm: as a program it may loop or grow for ever."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
import warnings
from collections.abc import Callable

from calm_pl.errors import ModelError

MAX_SECONDS = 10.0
MAX_BYTES = 2**20
_MAX_MEMORY = 2**30
_WHO = "The checkpoint's chat template (chat_template.jinja, or chat_template in a JSON file)"


def rendered(render: Callable[[], str]) -> str:
    """Return what a template gives.

    Raises:
        ModelError: it fails.
    """
    try:
        return render()
    except MemoryError as error:
        raise ModelError(f"{_WHO} takes more than {_MAX_MEMORY / 2**30:g} GiB of memory.") from error
    except Exception as error:  # templates raise what they like
        raise ModelError(f"{_WHO} fails: {type(error).__name__}: {str(error).rstrip('.')}.") from error


def try_template(render: Callable[[], str], seconds: float = MAX_SECONDS) -> None:
    """Render once in a copy of this process, within limits of time, memory and length (Linux; else here).

    Args:
        render: `rendered` or what calls it.
        seconds: time limit.

    Raises:
        ModelError: it fails, takes too long, or gives too much.
    """
    if sys.platform != "linux":
        _refuse_long(len(render().encode()))
        return
    import jinja2.sandbox  # noqa: F401  - the copy must not wait for an import of another thread

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads are not copied, and none is needed
        reading, writing = os.pipe()
        process = os.fork()
    if process == 0:
        _render_and_exit(render, writing)
    os.close(writing)
    try:
        answer = _wait_for(reading, time.monotonic() + seconds)
    finally:
        os.close(reading)
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
    if answer is None:
        raise ModelError(f"{_WHO} does not end within {seconds:g} s.")
    if not answer:
        raise ModelError(f"{_WHO} ended the process that tried it.")
    fault, length = json.loads(answer)
    if fault is not None:
        raise ModelError(fault)
    _refuse_long(length)


def _refuse_long(length: int) -> None:
    if length > MAX_BYTES:
        raise ModelError(
            f"{_WHO} makes a prompt of {length:,} bytes out of one question; {MAX_BYTES:,} are the limit."
        )


def _render_and_exit(render: Callable[[], str], writing: int) -> None:
    """Render and tell the other process of it; never returns."""
    try:
        _limit_memory()
        try:
            answer: list[str | int | None] = [None, len(render().encode())]
        except ModelError as error:
            answer = [str(error), 0]
        os.write(writing, json.dumps(answer).encode())
    finally:
        os._exit(0)


def _limit_memory() -> None:
    """Let this process take little more memory than it has."""
    import resource

    with open("/proc/self/statm") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = now + _MAX_MEMORY
    resource.setrlimit(
        resource.RLIMIT_AS, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard)
    )


def _wait_for(reading: int, deadline: float) -> bytes | None:
    """Return what the other process says; None where it says nothing in time."""
    said = b""
    while True:
        ready, _, _ = select.select([reading], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return None
        block = os.read(reading, 65536)
        if not block:
            return said
        said += block
