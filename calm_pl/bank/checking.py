"""Read a whole bank: what is damaged or missing, and what it contains."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from calm_pl.bank.errors import DamagedShard, ShardGone
from calm_pl.bank.journal import read_history
from calm_pl.bank.listing import missing_shards, require_bank, shard_paths
from calm_pl.bank.shard import Block, Shard, open_shard
from calm_pl.bank.writer import chunks_of

# All bits of the exponent are set in NaN and infinite values, and in no others.
_EXPONENTS = {"F32": ("<u4", 0x7F800000), "F16": ("<u2", 0x7C00), "BF16": ("<u2", 0x7F80)}


class Fault(NamedTuple):
    """One damaged or missing shard.

    Attributes:
        shard: its name.
        reason: how it was detected.
        num_lost: damaged records without another copy; for a missing or unreadable shard, all its records, or
            None if no journal says how many.
        clips: ids of lost clips, if they can still be read.
    """

    shard: str
    reason: str
    num_lost: int | None
    clips: list[str]


class Verdict(NamedTuple):
    """Result of `verify`.

    Attributes:
        num_shards, num_records: shards and records that are intact.
        faults: those that are not.
    """

    num_shards: int
    num_records: int
    faults: list[Fault]


@dataclass
class ModelShare:
    """What a bank holds for one model.

    Attributes:
        identity: the model's identity.
        dtype: dtype of the vectors, with a note if they were rounded.
        shape: (H, D).
        num_records, num_bytes: records of this model and their size.
        oldest, newest: times of the first and last record, nanoseconds since 1970.
    """

    identity: dict[str, Any]
    dtype: str
    shape: tuple[int, int]
    num_records: int = 0
    num_bytes: int = 0
    oldest: int = 0
    newest: int = 0


@dataclass
class Info:
    """What a bank holds.

    Attributes:
        num_records: distinct keys.
        num_copies: additional copies of records.
        num_clips: distinct values of `id` in the records' meta.
        num_shards, num_bytes: files and their size.
        prompts: records by value of `prompt` in their meta.
        models: one entry per identity and dtype.
        damaged: reasons by name of shard, as far as headers show them.
    """

    num_records: int = 0
    num_copies: int = 0
    num_clips: int = 0
    num_shards: int = 0
    num_bytes: int = 0
    prompts: Counter[str] = field(default_factory=Counter)
    models: list[ModelShare] = field(default_factory=list)
    damaged: dict[str, str] = field(default_factory=dict)


class Read(NamedTuple):
    """A chunk of a shard's rows, see `chunks_of`."""

    shard: Shard
    rows: list[int]
    vectors: np.ndarray
    block: Block


def read_shard(path: Path) -> Iterator[Read]:
    """Iterate over all rows of a shard in chunks, intact or not.

    Raises:
        DamagedShard, ShardGone: see `open_shard`.
    """
    shard = open_shard(path)
    for rows, vectors, block in chunks_of(shard, range(len(shard))):
        yield Read(shard, rows, vectors, block)


def finite_rows(dtype: str, vectors: np.ndarray) -> np.ndarray:
    """Return which records (N, bytes) hold neither NaN nor an infinite value, (N,) bool. Without torch."""
    word, exponent = _EXPONENTS[dtype]
    return ((vectors.view(word) & exponent) != exponent).all(1)


def verify(folder: str | Path) -> Verdict:
    """Read every byte of a bank, compare it with its checksums, and compare the files with the journals.

    Raises:
        RunError: there is no bank.
    """
    folder = Path(folder)
    require_bank(folder)
    sound: set[bytes] = set()
    unsound: dict[str, tuple[str, dict[bytes, str] | None]] = {}
    num_shards = 0
    for path in shard_paths(folder):
        bad: dict[bytes, str] = {}
        try:
            for shard, rows, vectors, block in read_shard(path):
                keys = shard.all_keys()
                finite = finite_rows(shard.kind.dtype, vectors)
                whole = [intact and good for intact, good in zip(block.intact, finite, strict=True)]
                for row, intact, meta in zip(rows, whole, block.meta, strict=True):
                    if intact:
                        sound.add(keys[row])
                    else:
                        bad[keys[row]] = _clip(meta)
        except ShardGone:
            continue
        except DamagedShard as error:
            unsound[path.name] = (error.reason, None)
            continue
        num_shards += not bad
        if bad:
            unsound[path.name] = (f"{len(bad)} records fail their checksum or are not finite", bad)
    for name in missing_shards(folder):
        unsound[name] = ("it is missing", None)
    added = read_history(folder).added
    faults = []
    for name, (reason, lost) in unsound.items():
        if lost is None:
            faults.append(Fault(name, reason, added.get(name), []))
        else:
            gone = [clip for key, clip in lost.items() if key not in sound]
            faults.append(Fault(name, reason, len(gone), [clip for clip in gone if clip]))
    return Verdict(num_shards, len(sound), faults)


def info(folder: str | Path) -> Info:
    """Summarise a bank from its shards' headers and meta.

    Raises:
        RunError: there is no bank.
    """
    folder = Path(folder)
    require_bank(folder)
    out = Info()
    keys: set[bytes] = set()
    clips: set[str] = set()
    models: dict[tuple[Any, ...], ModelShare] = {}
    for path in shard_paths(folder):
        try:
            shard = open_shard(path)
        except ShardGone:
            continue
        except DamagedShard as error:
            out.damaged[path.name] = error.reason
            continue
        kind = shard.kind
        note = " (rounded)" if kind.rounding else ""
        new = ModelShare(json.loads(kind.identity), kind.dtype + note, (kind.num_heads, kind.head_dim))
        share = models.setdefault(kind, new)
        own = shard.all_keys()
        share.num_records += len(own)
        share.num_bytes += shard.size
        share.oldest = min(share.oldest or int(shard.created_N.min()), int(shard.created_N.min()))
        share.newest = max(share.newest, int(shard.created_N.max()))
        out.num_shards += 1
        out.num_bytes += shard.size
        out.num_copies += len(own)
        keys.update(own)
        for meta in _all_meta(shard):
            clips.add(str(meta.get("id", "")))
            out.prompts[str(meta.get("prompt", ""))] += 1
    out.num_records = len(keys)
    out.num_copies -= len(keys)
    out.num_clips = len(clips - {""})
    out.models = list(models.values())
    return out


def _all_meta(shard: Shard) -> Iterator[dict[str, Any]]:
    """Iterate over the records' meta without their vectors; empty for a damaged record."""
    with shard.path.open("rb") as file:
        file.seek(shard.meta_at)
        start = 0
        for end in shard.meta_ends_N.tolist():
            yield parse_meta(file.read(end - start))
            start = end


def parse_meta(text: bytes) -> dict[str, Any]:
    """Parse a record's meta; empty if it is damaged."""
    try:
        meta = json.loads(text)
    except ValueError:
        return {}
    return meta if isinstance(meta, dict) else {}


def _clip(text: bytes) -> str:
    return str(parse_meta(text).get("id", ""))
