"""Memory of this process, from the kernel (Linux): `getrusage` would count its parent's peak too."""

from __future__ import annotations

from pathlib import Path


def memory(name: str) -> float:
    """Return resident memory (`VmRSS`) or its peak (`VmHWM`), in MiB."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = [line for line in status.splitlines() if line.startswith(f"{name}:")]
    return int(line.split()[1]) / 1024
