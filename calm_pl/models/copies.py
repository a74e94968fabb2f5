"""Copies of the weights that several processes make on one machine, when the dtype is not the file's."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from calm_pl.errors import ModelError
from calm_pl.models.sizes import BYTES, stored_numbers

_USABLE = 0.9  # of the memory; the rest is the system's
_CGROUP = Path("/sys/fs/cgroup/memory.max")  # what a container may have


def machine_memory(limit: Path = _CGROUP) -> int:
    """Return the bytes of memory that processes on this machine, or in this container, share."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(total, int(limit.read_text()))
    except (OSError, ValueError):  # no container, or one without a limit
        return total


def refuse_copies(path: str, folder: Path, dtype: str, processes: int, memory: int) -> None:
    """Refuse a dtype in which the copies of all processes do not fit into the machine's memory.

    Weights in their file's dtype stay mapped, so that all processes share them. In another dtype each makes a
    copy on the CPU, also where it then goes to a GPU, all at about the same time.

    Args:
        path: of the model, for the message.
        folder: of its files.
        dtype: that it is loaded in; `auto` is the file's own where there is a GPU.
        processes: that load it on this machine.
        memory: of the machine, in bytes.

    Raises:
        ModelError: how much they need and how much there is.
    """
    if dtype == "auto" and not torch.cuda.is_available():
        dtype = "float32"
    if dtype == "auto":
        return
    try:
        stored = stored_numbers(folder)
    except (OSError, ValueError):  # refused when it is loaded
        return
    names = {"float32": "F32", "bfloat16": "BF16", "float16": "F16"}
    copied = sum(count for kind, count in stored.items() if kind != names[dtype]) * BYTES[dtype]
    if processes * copied <= _USABLE * memory:
        return
    own = max(stored, key=lambda kind: stored[kind])
    named = {kind: name for name, kind in names.items()}.get(own, own)
    raise ModelError(
        f"The model at {path!r} does not fit into memory: its file is in {named}, and in {dtype} each of"
        f" {processes} processes on this machine makes a copy of {copied / 2**30:,.1f} GiB, but there are"
        f" {memory / 2**30:,.1f} GiB. model.dtype={named} shares the file's among all; or start fewer"
        " processes (trainer.devices)."
    )
