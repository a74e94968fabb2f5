"""Prune a bank by age, model or size, remove damaged shards, and merge what is left."""

from __future__ import annotations

import hashlib
import os
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from calm_pl.bank.errors import DamagedShard, ShardGone
from calm_pl.bank.listing import missing_shards, require_bank, shard_paths
from calm_pl.bank.shard import Shard, open_shard
from calm_pl.bank.writer import ShardWriter, bins
from calm_pl.bank.writing import PART, Kind, told_of_disk

_STALE_SECONDS = 3600


class Wish(NamedTuple):
    """What to remove; nothing by default.

    Attributes:
        older_than: age in seconds; older records are removed.
        model: first characters of `identity_hash`; that model's records are removed.
        max_bytes: the oldest records are removed until the rest is at most this large.
        damaged: unreadable shards are removed, and missing ones are forgotten.
    """

    older_than: float | None = None
    model: str | None = None
    max_bytes: int | None = None
    damaged: bool = False


class Pruned(NamedTuple):
    """What is removed, or would be.

    Attributes:
        num_records, num_bytes: records to remove and their size.
        num_unreadable: unreadable shards to remove.
        num_damaged: records that merging dropped because they fail their checksum; 0 before it is done.
        num_rewritten: shards that are merged because they are small or share records, or that lose some of
            their records.
    """

    num_records: int
    num_bytes: int
    num_unreadable: int
    num_damaged: int
    num_rewritten: int


def identity_hash(identity: str) -> str:
    """Return eight digits that identify a model, from its identity as canonical JSON."""
    return hashlib.sha256(identity.encode()).hexdigest()[:8]


def prune(folder: str | Path, wish: Wish, act: bool = False, shard_bytes: int = 2**28) -> Pruned:
    """Report or remove what `wish` names; then merge small shards and those that share records.

    Other processes may read and write meanwhile: records they no longer find are computed again.

    Args:
        folder: the bank.
        wish: what to remove.
        act: whether to remove it; otherwise only report it.
        shard_bytes: size up to which shards are merged.

    Raises:
        RunError: there is no bank, or the disk cannot be written.
    """
    folder = Path(folder)
    require_bank(folder)
    shards, unreadable = _open_all(folder)
    going = _going(shards, wish)
    num_bytes = sum(
        int(shard.size * mask.sum() / len(shard)) for shard, mask in zip(shards, going, strict=True)
    )
    parts = _parts(shards, going, shard_bytes)
    outcome = Pruned(
        num_records=sum(int(mask.sum()) for mask in going),
        num_bytes=num_bytes,
        num_unreadable=len(unreadable) * wish.damaged,
        num_damaged=0,
        num_rewritten=sum(map(len, parts)),
    )
    if not act:
        return outcome
    writer = ShardWriter(folder)
    num_damaged = 0
    rewritten: set[bytes] = set()
    doomed = {shard.path: mask for shard, mask in zip(shards, going, strict=True)}
    # Deleting whole shards first makes room for those to rewrite.
    writer.remove([path for path, mask in doomed.items() if mask.all()])

    def keep(shard: Shard) -> np.ndarray:
        copies = np.array([key in rewritten for key in shard.all_keys()], dtype=bool)
        return ~(doomed[shard.path] | copies)

    with told_of_disk(folder, 0, shard_bytes):
        for part in parts:
            try:
                merged = writer.merge([shard.path for shard in part], keep)
            except (ShardGone, DamagedShard):
                continue  # another process was first, or `verify` will report it
            rewritten.update(merged.keys)
            num_damaged += merged.num_damaged
    if wish.damaged:
        # Missing shards are recorded as removed, so that `verify` no longer reports them.
        writer.remove([*unreadable, *(folder / "shards" / name for name in missing_shards(folder))])
    _sweep(folder)
    return outcome._replace(num_damaged=num_damaged)


def _open_all(folder: Path) -> tuple[list[Shard], list[Path]]:
    shards, unreadable = [], []
    for path in shard_paths(folder):
        try:
            shards.append(open_shard(path))
        except ShardGone:
            continue
        except DamagedShard:
            unreadable.append(path)
    return shards, unreadable


def _going(shards: list[Shard], wish: Wish) -> list[np.ndarray]:
    """Return which records of each shard to remove, (N,) bool."""
    going = [np.zeros(len(shard), dtype=bool) for shard in shards]
    if wish.older_than is not None:
        before = time.time_ns() - int(wish.older_than * 1e9)
        going = [mask | (shard.created_N < before) for mask, shard in zip(going, shards, strict=True)]
    if wish.model is not None:
        for mask, shard in zip(going, shards, strict=True):
            mask |= identity_hash(shard.kind.identity).startswith(wish.model)
    if wish.max_bytes is not None and shards:
        kept = [~mask for mask in going]
        created = np.concatenate([s.created_N[k] for s, k in zip(shards, kept, strict=True)])
        sizes = np.concatenate([np.full(k.sum(), s.size / len(s)) for s, k in zip(shards, kept, strict=True)])
        newest_first = np.argsort(-created, kind="stable")
        over = np.empty(len(created), dtype=bool)
        over[newest_first] = np.cumsum(sizes[newest_first]) > wish.max_bytes
        at = 0
        for mask, k in zip(going, kept, strict=True):
            count = int(k.sum())
            mask[k] = over[at : at + count]
            at += count
    return going


def _parts(shards: list[Shard], going: list[np.ndarray], shard_bytes: int) -> list[list[Shard]]:
    """Group the shards to rewrite: those that lose records, small ones, and those that share records."""
    by_kind: dict[Kind, list[tuple[Shard, bool]]] = defaultdict(list)
    for shard, mask in zip(shards, going, strict=True):
        if not mask.all():
            by_kind[shard.kind].append((shard, bool(mask.any())))
    parts = []
    for members in by_kind.values():
        holders: dict[bytes, Shard] = {}
        sharing: set[Path] = set()
        for shard, _ in members:
            for key in shard.all_keys():
                other = holders.setdefault(key, shard)
                if other is not shard:
                    sharing |= {other.path, shard.path}
        must = {s.path for s, hit in members if hit} | sharing
        loose = [s for s, _ in members if s.path in must or s.size < shard_bytes // 2]
        parts += [p for p in bins(loose, shard_bytes) if len(p) > 1 or p[0].path in must]
    return parts


def _sweep(folder: Path) -> None:
    """Remove unfinished files of killed writers."""
    marker = folder / "shards" / f"now-{os.getpid()}{PART}"
    marker.touch()  # the file system's clock: another machine's may differ
    now = marker.stat().st_mtime
    for path in [*(folder / "shards").glob(f"*{PART}"), *folder.glob(f"*{PART}")]:
        with suppress(OSError):
            if path == marker or now - path.stat().st_mtime > _STALE_SECONDS:
                path.unlink()
