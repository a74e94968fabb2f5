"""Batches for which shared memory has no room: an error where they never fit, patience where they will."""

import multiprocessing
import os
import sys

import pytest
import torch

from calm_pl.data.loading import shared_memory
from calm_pl.data.loading.batches import ModelPass
from calm_pl.data.loading.loaders import BatchLoader, HandedOver
from calm_pl.errors import RunError

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="has no /dev/shm")
MIB = 2**20


class Room:
    """What `statvfs` says of a folder of so many MiB, `free` of them from the `later`-th look on."""

    def __init__(self, total, free=None, later=0):
        self.total, self.free, self.later = total, total if free is None else free, later
        self.looks = multiprocessing.Value("i", 0)

    def __call__(self, path):
        with self.looks:
            self.looks.value += 1
            free = self.total if self.looks.value > self.later else self.free
        return os.statvfs_result((4096, 4096, self.total * 256, 0, free * 256, 0, 0, 0, 0, 255))


def batches(num_workers):
    """Three batches of 1 MiB each, by way of as many processes."""
    collate = HandedOver(lambda items: [torch.full((MIB // 4,), float(item)) for item in items])
    loader = BatchLoader(range(3), batch_size=1, collate_fn=collate, num_workers=num_workers)
    return [float(batch[0][0]) for batch in loader]


def test_what_never_fits_is_told(monkeypatch):
    monkeypatch.setattr(shared_memory.os, "statvfs", Room(total=2))
    with pytest.raises(RunError) as caught:
        batches(num_workers=2)
    (message,) = str(caught.value).splitlines()
    assert "holds 2.0 MiB, but the 2 decoding processes need 2.0 MiB" in message
    assert "--shm-size" in message
    assert "data.num_workers=0" in message


def test_what_does_not_fit_yet_waits(monkeypatch):
    room = Room(total=64, free=1, later=5)
    monkeypatch.setattr(shared_memory.os, "statvfs", room)
    assert batches(num_workers=2) == [0, 1, 2]
    assert room.looks.value > 5


def test_one_process_needs_no_shared_memory(monkeypatch):
    monkeypatch.setattr(shared_memory.os, "statvfs", Room(total=0))
    assert batches(num_workers=0) == [0, 1, 2]


def test_all_tensors_of_a_batch_count():
    inner = ModelPass({"a": torch.zeros(1024), "b": [torch.zeros(1024)]}, torch.zeros(512, dtype=torch.int64))
    assert shared_memory.num_bytes([inner, "text", None, 3]) == 3 * (4096 + 4096)
