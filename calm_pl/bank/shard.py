"""Read a shard: its header at once, its records by row, each checked against its CRC-32.

Rows are read by position (`preadv`) directly into their destination: like a memory map this touches only the
bytes requested, through the page cache. Unlike a memory map it reports a bad sector, or a file that another
machine removed, as an error that can be handled; a map raises SIGBUS, which kills the job.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from calm_pl.bank.errors import DamagedShard, ShardGone
from calm_pl.bank.writing import FORMAT, SUFFIX, Kind, record_crc
from calm_pl.errors import RunError
from calm_pl.regular_files import open_regular

_LARGEST_HEADER = 2**27
_MOST_BUFFERS = 512  # buffers of one preadv; systems allow 1,024


@dataclass(frozen=True, eq=False)
class Shard:
    """The header of an open shard.

    Attributes:
        path: the file.
        size: expected size in bytes.
        kind: what its records have in common.
        generation: how many times its records were merged.
        replaces: names of the shards whose records it took over.
        keys_N32: (N, 32) uint8.
        created_N: nanoseconds since 1970, int64.
        option_ends_N, meta_ends_N: where each record's part ends, in floats and bytes.
        crc_N: CRC-32 of each record.
        options_at, vectors_at, meta_at: where the parts start in the file.
    """

    path: Path
    size: int
    kind: Kind
    generation: int
    replaces: list[str]
    keys_N32: np.ndarray
    created_N: np.ndarray
    option_ends_N: np.ndarray
    meta_ends_N: np.ndarray
    crc_N: np.ndarray
    options_at: int
    vectors_at: int
    meta_at: int

    def __len__(self) -> int:
        return len(self.crc_N)

    def all_keys(self) -> list[bytes]:
        """Return the keys of all records, 32 bytes each."""
        flat = self.keys_N32.tobytes()
        return [flat[at : at + 32] for at in range(0, len(flat), 32)]


class Block(NamedTuple):
    """What `read_rows` returns besides the vectors.

    Attributes:
        options: float32 in bytes, one entry per row.
        meta: JSON in bytes, one entry per row.
        intact: whether each record is as it was written.
    """

    options: list[bytes]
    meta: list[bytes]
    intact: list[bool]


def open_shard(path: Path) -> Shard:
    """Read and check the header: size, digest of header and index.

    Raises:
        DamagedShard: the content differs from what was written.
        ShardGone: the file no longer exists.
        RunError: written by a newer version.
    """
    descriptor = _open(path)
    try:
        size = os.fstat(descriptor).st_size
        start = _pread(path, descriptor, 8, 0)
        length = int.from_bytes(start, "little")
        if not 0 < length <= min(size - 8, _LARGEST_HEADER):
            raise DamagedShard(path, "its header is damaged or cut off")
        text = _pread(path, descriptor, length, 8)
        try:
            header = json.loads(text)
            count = int(header["keys"]["shape"][0])
            end = int(header["keys"]["data_offsets"][1])
        except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
            raise DamagedShard(path, "its header is damaged") from error
        if not 0 < end == 64 * count <= size - 8 - length:
            raise DamagedShard(path, "its index is damaged or cut off")
        index = _pread(path, descriptor, end, 8 + length)
    finally:
        os.close(descriptor)
    digest = hashlib.sha256(b"".join([start, text, index])).hexdigest()[:16]
    if path.name != f"{path.name[: -len(SUFFIX) - 16]}{digest}{SUFFIX}":
        raise DamagedShard(path, "header and index do not match the checksum in its name")
    return _parse(path, size, header, index, 8 + length, count)


def _parse(path: Path, size: int, header: dict[str, Any], index: bytes, data_at: int, count: int) -> Shard:
    """Parse a header whose digest is correct."""
    about = header.get("__metadata__", {})
    name, _, version = about.get("format", "").rpartition(".")
    if name != "calm_pl.bank" or int(version) > FORMAT:
        raise RunError(
            f"{path}: has the format {about.get('format')!r}, which is newer than this version reads"
            f" ('calm_pl.bank.{FORMAT}'): update calm_pl, or choose another bank.dir."
        )
    numbers = np.frombuffer(index, dtype="<i8", count=4 * count).reshape(4, count)
    shape = header["vectors"]["shape"]
    kind = Kind(about["identity"], header["vectors"]["dtype"], about["rounding"], shape[1], shape[2])
    at = {name: data_at + header[name]["data_offsets"][0] for name in ("option_scores", "vectors", "meta")}
    expected = data_at + header["meta"]["data_offsets"][1]
    if size != expected:
        raise DamagedShard(path, f"it has {size} bytes instead of {expected}")
    return Shard(
        path,
        size,
        kind,
        int(about["generation"]),
        json.loads(about["replaces"]),
        keys_N32=np.frombuffer(index, dtype=np.uint8, offset=32 * count).reshape(count, 32),
        created_N=numbers[0],
        option_ends_N=numbers[1],
        meta_ends_N=numbers[2],
        crc_N=numbers[3],
        options_at=at["option_scores"],
        vectors_at=at["vectors"],
        meta_at=at["meta"],
    )


def read_texts(shard: Shard) -> tuple[list[bytes], list[bytes]]:
    """Read option scores and meta of all records, unchecked.

    Raises:
        DamagedShard, ShardGone: see `read_rows`.
    """
    descriptor = _open(shard.path)
    try:
        return (
            _cut(shard, descriptor, shard.option_ends_N, 4, shard.options_at, 0, len(shard)),
            _cut(shard, descriptor, shard.meta_ends_N, 1, shard.meta_at, 0, len(shard)),
        )
    finally:
        os.close(descriptor)


def read_rows(shard: Shard, rows: Sequence[int], keys: Sequence[bytes], into: Sequence[Any]) -> Block:
    """Read records by row and check each.

    Args:
        shard: from `open_shard`.
        rows: ascending for speed: neighbours are read together.
        keys: the key that each row must have.
        into: for each row a writable buffer of `kind.vector_bytes`.

    Raises:
        DamagedShard: the file's size is wrong or the disk cannot read it.
        ShardGone: the file no longer exists.
    """
    options: list[bytes] = []
    meta: list[bytes] = []
    intact: list[bool] = []
    descriptor = _open(shard.path)
    try:
        size = os.fstat(descriptor).st_size
        if size != shard.size:
            raise DamagedShard(shard.path, f"it has {size} bytes instead of {shard.size}")
        for first, last in _runs(rows):
            low, high = rows[first], rows[last - 1] + 1
            at = shard.vectors_at + low * shard.kind.vector_bytes
            _preadv(shard.path, descriptor, into[first:last], at)
            options += _cut(shard, descriptor, shard.option_ends_N, 4, shard.options_at, low, high)
            meta += _cut(shard, descriptor, shard.meta_ends_N, 1, shard.meta_at, low, high)
    finally:
        os.close(descriptor)
    for row, key, vectors, scores, text in zip(rows, keys, into, options, meta, strict=True):
        intact.append(record_crc(key, scores, text, vectors) == shard.crc_N[row])
    return Block(options, meta, intact)


def _runs(rows: Sequence[int]) -> list[tuple[int, int]]:
    """Return positions [first, last) of rows that are consecutive in the file."""
    breaks = [i for i in range(1, len(rows)) if rows[i] != rows[i - 1] + 1]
    edges = [0, *breaks, len(rows)]
    return [(a, b) for a, b in pairwise(edges) if a < b]


def _cut(
    shard: Shard, descriptor: int, ends_N: np.ndarray, width: int, at: int, low: int, high: int
) -> list[bytes]:
    """Split the variable-length parts of the rows [low, high)."""
    edges = [int(ends_N[row - 1]) * width if row else 0 for row in range(low, high + 1)]
    data = _pread(shard.path, descriptor, edges[-1] - edges[0], at + edges[0])
    return [data[a - edges[0] : b - edges[0]] for a, b in pairwise(edges)]


def _open(path: Path) -> int:
    try:
        return open_regular(path)
    except OSError as error:
        raise _explained(path, error) from error


def _pread(path: Path, descriptor: int, length: int, offset: int) -> bytes:
    buffer = bytearray(length)
    _preadv(path, descriptor, [buffer], offset)
    return bytes(buffer)


def _preadv(path: Path, descriptor: int, buffers: Sequence[Any], offset: int) -> None:
    """Fill all buffers from one contiguous range of the file."""
    for first in range(0, len(buffers), _MOST_BUFFERS):
        left = [memoryview(b).cast("B") for b in buffers[first : first + _MOST_BUFFERS] if len(b)]
        while left:
            try:
                count = os.preadv(descriptor, left, offset)
            except OSError as error:
                raise _explained(path, error) from error
            if count == 0:
                raise DamagedShard(path, "it is cut off")
            offset += count
            while left and count >= len(left[0]):
                count -= len(left.pop(0))
            if count:
                left[0] = left[0][count:]


def _explained(path: Path, error: OSError) -> Exception:
    # ESTALE: another machine removed the file from a network file system.
    if error.errno in (errno.ENOENT, errno.ESTALE):
        return ShardGone(str(path))
    if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):  # no fault of the file
        return RunError(f"{path}: cannot be read: {error.strerror}.")
    return DamagedShard(path, f"it cannot be read ({error.strerror})")
