"""Write a shard: one safetensors file that appears whole or not at all.

Layout of the data, in this order: the index (`created`, `option_ends`, `meta_ends`, `crc32`, `keys`), then
`option_scores`, `vectors` and `meta`. The file's name ends with a digest of header and index, and the index
holds a CRC-32 for each record, so every byte is covered. The safetensors package is not used for writing
because it orders tensors itself and needs them all in memory; any safetensors reader opens the file.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from calm_pl.errors import RunError

FORMAT = 1
SUFFIX = ".safetensors"
PART = ".part"
ITEM_BYTES = {"F32": 4, "F16": 2, "BF16": 2}
"""Dtypes of head vectors, by their name in safetensors."""
_ALIGNMENT = 64
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Kind(NamedTuple):
    """What the records of one shard have in common.

    Attributes:
        identity: the model's identity, as canonical JSON.
        dtype: dtype of the stored vectors, by its name in safetensors.
        rounding: `float16` or `bfloat16` if vectors were rounded for storage, otherwise empty.
        num_heads, head_dim: H and D.
    """

    identity: str
    dtype: str
    rounding: str
    num_heads: int
    head_dim: int

    @property
    def vector_bytes(self) -> int:
        """Size of one record's vectors in bytes."""
        return self.num_heads * self.head_dim * ITEM_BYTES[self.dtype]


class Rows(NamedTuple):
    """N records without their vectors.

    Attributes:
        keys: 32 bytes each.
        created_N: when they were first written, nanoseconds since 1970, int64.
        crc_N: CRC-32 over key, option scores, meta and vectors, int64.
        options: float32 in bytes.
        meta: JSON in bytes.
    """

    keys: list[bytes]
    created_N: np.ndarray
    crc_N: np.ndarray
    options: list[bytes]
    meta: list[bytes]


def record_crc(key: bytes, options: bytes, meta: bytes, vectors: Any) -> int:
    """Return the CRC-32 of one record."""
    return zlib.crc32(vectors, zlib.crc32(meta, zlib.crc32(options, zlib.crc32(key))))


def write_shard(
    stem: Path,
    kind: Kind,
    rows: Rows,
    vectors: Iterable[Any],
    generation: int,
    replaces: list[str],
    flush: bool = True,
) -> Path:
    """Write a shard and give it its name.

    Args:
        stem: folder and start of the name, unique to this shard.
        kind: what all records have in common.
        rows: the records.
        vectors: their vectors in the same order, as buffers.
        generation: how many times these records were merged.
        replaces: names of the shards whose records it takes over.
        flush: wait until it is on the disk. Without, it is in the system's memory: it survives the process,
            not a power failure.

    Raises:
        OSError: it could not be written; no partial file is left.
    """
    head = _head(kind, rows, generation, replaces)
    digest = hashlib.sha256(head).hexdigest()[:16]
    path = stem.with_name(f"{stem.name}-{digest}{SUFFIX}")
    part = path.with_name(path.name + PART)
    try:
        with part.open("xb") as file:
            for block in (head, *rows.options):
                file.write(block)
            for block in vectors:
                file.write(block)
            for block in rows.meta:
                file.write(block)
            file.flush()
            if flush:
                os.fsync(file.fileno())
        _rename(part, path)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    if flush:
        sync_folder(path.parent)
    return path


def flush_shard(path: Path) -> None:
    """Wait until a shard that was written without `flush` is on the disk.

    Raises:
        OSError: it could not be written, or another process removed it.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_folder(path.parent)


def _head(kind: Kind, rows: Rows, generation: int, replaces: list[str]) -> bytes:
    """Return length, header and index."""
    count = len(rows.keys)
    option_ends = np.cumsum([len(o) // 4 for o in rows.options], dtype=np.int64)
    meta_ends = np.cumsum([len(m) for m in rows.meta], dtype=np.int64)
    index = [rows.created_N.astype("<i8"), option_ends.astype("<i8"), meta_ends.astype("<i8")]
    index += [rows.crc_N.astype("<i8")]
    layout: list[tuple[str, str, list[int], int]] = [
        (name, "I64", [count], 8 * count) for name in ("created", "option_ends", "meta_ends", "crc32")
    ]
    layout += [
        ("keys", "U8", [count, 32], 32 * count),
        ("option_scores", "F32", [int(option_ends[-1])], 4 * int(option_ends[-1])),
        ("vectors", kind.dtype, [count, kind.num_heads, kind.head_dim], kind.vector_bytes * count),
        ("meta", "U8", [int(meta_ends[-1])], int(meta_ends[-1])),
    ]
    header: dict[str, Any] = {
        "__metadata__": {
            "format": f"calm_pl.bank.{FORMAT}",
            "identity": kind.identity,
            "rounding": kind.rounding,
            "generation": str(generation),
            "replaces": json.dumps(replaces),
        }
    }
    at = 0
    for name, dtype, shape, size in layout:
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-(8 + len(text)) % _ALIGNMENT)
    return b"".join([len(text).to_bytes(8, "little"), text, *(a.tobytes() for a in index), *rows.keys])


def _rename(part: Path, path: Path) -> None:
    try:
        os.rename(part, path)
    except FileNotFoundError:
        # A network file system may rename a file, lose the reply, and find nothing when it retries.
        if not path.exists():
            raise


def sync_folder(folder: Path) -> None:
    """Make a new name survive a power failure, if the file system supports it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


@contextmanager
def told_of_disk(folder: Path, num_records: int, num_bytes: int) -> Iterator[None]:
    """Convert a disk error into an error for the user.

    Raises:
        RunError: in place of OSError.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise RunError(
                f"The disk that holds {str(folder)!r} is full ({num_records:,} records could not be written:"
                f" {error.strerror}); free {num_bytes / 1e6:,.0f} MB or more and run the same command again."
            ) from error
        raise RunError(
            f"The bank {str(folder)!r} cannot be written: {error.strerror or error}."
            " Choose another with bank.dir=FOLDER."
        ) from error
