"""When, where and with what a run was made."""

from __future__ import annotations

import platform
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import calm_pl


class Command(NamedTuple):
    """A command line.

    Attributes:
        text: to be typed into a shell.
        started: `time.perf_counter()` when it was.
    """

    text: str
    started: float


COMMAND: ContextVar[Command | None] = ContextVar("COMMAND", default=None)
"""The command line that is being run; None where Python started the job."""
_GIT_SECONDS = 10


def now() -> str:
    """Return the time in UTC, to the second, as ISO 8601 writes it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def machine_facts(device: str, ranks: int) -> dict[str, Any]:
    """Return host, device and number of ranks; on a GPU its name, driver and CUDA version too."""
    from calm_pl.jobs.hardware import device_facts

    return {"host": platform.node(), "device": device, **device_facts(), "ranks": ranks}


def project_commit(root: Path = Path(calm_pl.__file__).parents[1]) -> str | None:
    """Return the git commit of the checkout that the package is imported from.

    With `-dirty` if files were changed; None where it is installed without one, or git is not there.
    """
    if not (root / ".git").exists():
        return None
    import subprocess

    words = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--match="]
    try:
        found = subprocess.run(words, capture_output=True, text=True, timeout=_GIT_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None if found.returncode == 0 else None
