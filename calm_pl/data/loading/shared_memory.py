"""Check for room in shared memory, through which decoding processes pass their batches.

A batch for which there is none is lost on its way, and the job would wait for it for ever.
"""

from __future__ import annotations

import dataclasses
import os
import time
from typing import Any

import torch
from torch.utils.data import get_worker_info

from calm_pl.errors import RunError

FOLDER = "/dev/shm"
_POLL_SECONDS = 0.05
_PAGE = 4096


def wait_for_room(batch: object, folder: str = FOLDER) -> None:
    """Wait, in a process that decodes, until its batch fits, beside one of each other process.

    Args:
        batch: what it will hand over.
        folder: where shared memory lies; nothing is done where there is no such folder.

    Raises:
        RunError: even empty it could not hold them.
    """
    worker = get_worker_info()
    if worker is None or not os.path.isdir(folder):
        return
    needed = num_bytes(batch) * worker.num_workers
    space = os.statvfs(folder)
    if needed > space.f_blocks * space.f_frsize:
        raise RunError(
            f"{folder} (shared memory) holds {space.f_blocks * space.f_frsize / 2**20:,.1f} MiB, but the"
            f" {worker.num_workers} decoding processes need {needed / 2**20:,.1f} MiB for one batch each;"
            " enlarge it (docker run --shm-size=8g), or set data.num_workers=0 or a smaller data.batch_size."
        )
    parent = os.getppid()
    while needed > space.f_bavail * space.f_frsize and os.getppid() == parent:
        time.sleep(_POLL_SECONDS)  # until the job has taken the batches that are there
        space = os.statvfs(folder)


def num_bytes(value: Any) -> int:
    """Return the bytes that all tensors in nested containers take, each in pages of its own."""
    if isinstance(value, torch.Tensor):
        return value.untyped_storage().nbytes() + _PAGE
    if dataclasses.is_dataclass(value):
        value = vars(value)
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return sum(map(num_bytes, parts))
