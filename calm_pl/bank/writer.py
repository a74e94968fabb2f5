"""One process's writer: it names shards, merges small ones, and deletes those it replaced.

Many processes, also on other machines, do this at once, without locks, which are unreliable on network file
systems:

- a name contains the writer's random part and its count, so no two writers ever write to the same file;
- a shard appears by a rename within its folder, and never changes afterwards;
- a record is dropped as a copy only by a process that wrote another copy itself, later than it listed the
  shard it drops it from. So the copy written last always remains: a process that drops it must have written a
  later one. Two processes that merge the same shards may leave copies, never a gap;
- a reader that finds a shard gone lists the folder again.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from calm_pl.bank.journal import note
from calm_pl.bank.shard import Block, Shard, open_shard, read_rows, read_texts
from calm_pl.bank.writing import FORMAT, PART, Kind, Rows, sync_folder, write_shard

_CHUNK_BYTES = 2**24

Keep = Callable[[Shard], np.ndarray]
"""Which records of a shard to keep, (N,) bool."""


class Merged(NamedTuple):
    """Result of a merge.

    Attributes:
        path: the new shard; None if no record was left.
        keys: keys of its records.
        num_damaged: number of damaged records that were dropped.
    """

    path: Path | None
    keys: list[bytes]
    num_damaged: int


class ShardWriter:
    """Writer of one process to a bank.

    Args:
        folder: the bank.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process = 0
        self._name = ""
        self._count = 0

    @property
    def name(self) -> str:
        """Name of this process; a forked process gets another."""
        if self._process != os.getpid():
            self._process, self._name, self._count = os.getpid(), secrets.token_hex(6), 0
        return self._name

    def write(
        self,
        kind: Kind,
        rows: Rows,
        vectors: Iterable[Any],
        generation: int = 0,
        replaces: Sequence[str] = (),
        flush: bool = True,
    ) -> Path:
        """Write a shard and record it in the journal; see `write_shard`."""
        make_bank(self.folder)
        stem = self.folder / "shards" / f"{self.name}-{self._count:06d}"
        self._count += 1
        path = write_shard(stem, kind, rows, vectors, generation, list(replaces), flush)
        note(self.folder, self.name, {path.name: len(rows.keys)})
        return path

    def merge(self, paths: Sequence[Path], keep: Keep | None = None) -> Merged:
        """Merge shards of one kind into a new one, and delete them.

        Args:
            paths: the shards.
            keep: which records to keep; all by default.

        Raises:
            OSError: it could not be written; every source is still there.
            ShardGone: another process removed a source meanwhile; nothing was changed.
            DamagedShard: a source whose head is damaged; nothing was changed.
        """
        shards = [open_shard(path) for path in paths]
        try:
            merged = self._merge(shards, _Taken.of(shards, keep, checked=False))
        except _DamagedRecord:  # seldom: a record is read once, and checked, while it is written
            merged = self._merge(shards, _Taken.of(shards, keep, checked=True))
        self.remove(paths)
        return merged

    def _merge(self, shards: Sequence[Shard], taken: _Taken) -> Merged:
        """Write a shard of what is taken over.

        Raises:
            _DamagedRecord: a record is damaged; nothing was changed.
        """
        path = None
        if taken.rows.keys:
            path = self.write(
                shards[0].kind,
                taken.rows,
                _vectors(shards, taken.by_shard),
                generation=1 + max(shard.generation for shard in shards),
                replaces=[shard.path.name for shard in shards],
            )
        return Merged(path, taken.rows.keys, taken.num_damaged)

    def remove(self, paths: Sequence[Path]) -> None:
        """Delete shards, after recording it in the journal."""
        note(self.folder, self.name, {}, [path.name for path in paths])
        for path in paths:
            with suppress(FileNotFoundError):
                path.unlink()


def make_bank(folder: Path) -> None:
    """Create the folders, and the file that identifies them as a bank."""
    marker = folder / "bank.json"
    if marker.exists():
        return
    (folder / "shards").mkdir(parents=True, exist_ok=True)
    part = marker.with_name(f"{marker.name}.{secrets.token_hex(6)}{PART}")
    try:
        part.write_text(f'{{"what": "calm_pl head bank", "format": {FORMAT}}}\n', encoding="utf-8")
        os.replace(part, marker)
    finally:
        part.unlink(missing_ok=True)
    sync_folder(folder)


class _DamagedRecord(Exception):
    """A record that was to be taken over differs from what was written."""


class _Taken(NamedTuple):
    """What a merge takes over.

    Attributes:
        rows: the records.
        by_shard: their rows in each shard.
        num_damaged: damaged records that no other shard replaces.
    """

    rows: Rows
    by_shard: list[list[int]]
    num_damaged: int

    @classmethod
    def of(cls, shards: Sequence[Shard], keep: Keep | None, checked: bool) -> _Taken:
        """Choose records, the first copy of each.

        Args:
            shards: the shards.
            keep: which records to keep; all by default.
            checked: read all vectors, and leave out damaged records; else no vectors are read.
        """
        rows = Rows([], np.empty(0), np.empty(0), [], [])
        created: list[int] = []
        crcs: list[int] = []
        by_shard: list[list[int]] = []
        damaged: set[bytes] = set()
        seen: set[bytes] = set()
        for shard in shards:
            keys = shard.all_keys()
            wanted = np.ones(len(shard), dtype=bool) if keep is None else keep(shard)
            chosen = [row for row in np.flatnonzero(wanted).tolist() if keys[row] not in seen]
            taken: list[int] = []
            for row, intact, options, meta in _parts_of(shard, chosen, checked):
                if not intact:
                    damaged.add(keys[row])
                elif keys[row] not in seen:
                    seen.add(keys[row])
                    taken.append(row)
                    rows.keys.append(keys[row])
                    rows.options.append(options)
                    rows.meta.append(meta)
                    created.append(int(shard.created_N[row]))
                    crcs.append(int(shard.crc_N[row]))
            by_shard.append(taken)
        rows = rows._replace(
            created_N=np.array(created, dtype=np.int64), crc_N=np.array(crcs, dtype=np.int64)
        )
        return cls(rows, by_shard, len(damaged - seen))


def _parts_of(shard: Shard, rows: Sequence[int], checked: bool) -> Iterator[tuple[int, bool, bytes, bytes]]:
    """Yield each row's number, whether it is intact (True unchecked), option scores and meta."""
    if checked:
        for chunk, _, block in chunks_of(shard, rows):
            yield from zip(chunk, block.intact, block.options, block.meta, strict=True)
    else:
        options, meta = read_texts(shard)
        for row in rows:
            yield row, True, options[row], meta[row]


def _vectors(shards: Sequence[Shard], by_shard: Sequence[Sequence[int]]) -> Iterator[Any]:
    """Read the vectors of the chosen rows, to write them with their CRC-32, which is checked.

    Raises:
        _DamagedRecord: a record is damaged.
    """
    for shard, rows in zip(shards, by_shard, strict=True):
        for _, vectors, block in chunks_of(shard, rows):
            if not all(block.intact):
                raise _DamagedRecord
            yield vectors.data


def chunks_of(shard: Shard, rows: Sequence[int]) -> Iterator[tuple[list[int], np.ndarray, Block]]:
    """Read rows of a shard in chunks of bounded memory: row numbers, vectors' bytes (N, bytes), `Block`.

    Raises:
        DamagedShard, ShardGone: see `read_rows`.
    """
    keys = shard.all_keys()
    step = max(1, _CHUNK_BYTES // max(1, shard.kind.vector_bytes))
    for first in range(0, len(rows), step):
        chunk = list(rows[first : first + step])
        vectors = np.empty((len(chunk), shard.kind.vector_bytes), dtype=np.uint8)
        yield chunk, vectors, read_rows(shard, chunk, [keys[row] for row in chunk], list(vectors))


def bins(shards: Sequence[Shard], most_bytes: int) -> list[list[Shard]]:
    """Divide shards, in their order, so that each merge stays close to a size."""
    parts: list[list[Shard]] = []
    room = 0
    for shard in shards:
        if not parts or shard.size > room:
            parts.append([])
            room = most_bytes
        parts[-1].append(shard)
        room -= shard.size
    return parts
