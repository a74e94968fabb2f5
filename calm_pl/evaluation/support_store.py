"""Store of the support's head vectors on one rank: in memory, or on disk if there are too many."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

SPILL_BYTES = 2**30
_GPU_SHARE = 16  # of its memory: the model's weights and batches need the rest
_CHUNK_ROWS = 256


def most_held(device: torch.device) -> int:
    """Return the most bytes of vectors to hold: 1 GiB, or a sixteenth of a GPU's memory if that is more."""
    if device.type != "cuda":
        return SPILL_BYTES
    return max(SPILL_BYTES, torch.cuda.get_device_properties(device).total_memory // _GPU_SHARE)


class SupportStore:
    """Store of vectors, filled batch by batch.

    Up to `spill_bytes` they stay on their device. Beyond that they are written to an unnamed file and
    returned as memory-mapped tensors on the CPU, which the system caches as far as memory allows.

    Spilling needs Linux.

    Args:
        folder: folder for the file; None keeps everything in memory.
        spill_bytes: the most to hold in memory; `most_held` of their device if None.
    """

    def __init__(self, folder: Path | None, spill_bytes: int | None = None) -> None:
        self.folder = folder if sys.platform == "linux" else None
        self.spill_bytes = spill_bytes
        self.index: list[int] = []
        self._held: list[Tensor] = []
        self._bytes = 0
        self._file: BinaryIO | None = None

    @property
    def is_spilled(self) -> bool:
        """Whether the vectors are on disk."""
        return self._file is not None

    @property
    def num_rows(self) -> int:
        """Rows per clip: H, or more if other parts are kept; 0 before the first clip."""
        return int(self._held[0].shape[1]) if self._held else 0

    def add(self, index_N: Tensor, vectors_NHD: Tensor) -> None:
        """Store a batch: positions in the data set, and vectors."""
        self.index += index_N.tolist()
        self._held.append(vectors_NHD)
        self._bytes += vectors_NHD.nbytes
        most = most_held(vectors_NHD.device) if self.spill_bytes is None else self.spill_bytes
        if self.folder is not None and (self.is_spilled or self._bytes > most):
            self._file = self._file or _nameless(self.folder)
            for block in self._held:
                _append(self._file, block)
            self._held = [self._held[-1][:0]]  # keeps shape and dtype

    def vectors(self, rows: Sequence[int], nothing_0HD: Tensor) -> Tensor:
        """Return the vectors of some rows, in their order, (n, H, D).

        Args:
            rows: places in `index`.
            nothing_0HD: what to return if this rank has no clips.
        """
        if not self.index:
            return nothing_0HD
        if self._file is None:
            self._held = [torch.cat(self._held)]
            # The usual case, all of them in order, needs no copy.
            return self._held[0] if list(rows) == list(range(len(self.index))) else self._held[0][list(rows)]
        whole_NHD = _mapped(self._file, len(self.index), self._held[0])
        if list(rows) == list(range(len(self.index))):
            return whole_NHD
        assert self.folder is not None
        with _nameless(self.folder) as part:
            for start in range(0, len(rows), _CHUNK_ROWS):
                _append(part, whole_NHD[list(rows[start : start + _CHUNK_ROWS])])
            return _mapped(part, len(rows), self._held[0])

    def close(self) -> None:
        """Release the vectors; tensors already returned remain valid."""
        self._held = []
        if self._file is not None:
            self._file.close()
            self._file = None


def _nameless(folder: Path) -> BinaryIO:
    """Create a file that disappears when this process ends, however it ends."""
    folder.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryFile(dir=folder)


def _append(file: BinaryIO, block_NHD: Tensor) -> None:
    if block_NHD.numel():
        file.write(block_NHD.detach().cpu().contiguous().view(torch.uint8).numpy().data)


def _mapped(file: BinaryIO, num_rows: int, like_0HD: Tensor) -> Tensor:
    """Map the file's rows to a tensor (N, H, D) that is read on access."""
    file.flush()
    shape = (num_rows, *like_0HD.shape[1:])
    size = num_rows * like_0HD.shape[1] * like_0HD.shape[2]
    if size == 0:
        return like_0HD.cpu()
    name = f"/proc/self/fd/{file.fileno()}"
    return torch.from_file(name, shared=False, size=size, dtype=like_0HD.dtype).view(shape)
