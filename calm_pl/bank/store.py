"""`HeadBank`: find, read and append records."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from calm_pl.bank.behind import WriteBehind
from calm_pl.bank.errors import DamagedShard, LostRecords, ShardGone
from calm_pl.bank.index import Place, PlaceIndex
from calm_pl.bank.keys import canonical, key_bytes
from calm_pl.bank.listing import check_format, shard_paths
from calm_pl.bank.packing import empty_vectors, pack, unpack, vector_buffers
from calm_pl.bank.records import DTYPES, Found, Records
from calm_pl.bank.shard import Shard, open_shard, read_rows
from calm_pl.bank.writer import ShardWriter, bins
from calm_pl.bank.writing import Kind, flush_shard, told_of_disk
from calm_pl.errors import CalmError, RunError

_LOG = logging.getLogger("calm_pl.bank")
_NAMES = {dtype: name for name, dtype in DTYPES.items()}
_ROUNDINGS = {torch.float16: "float16", torch.bfloat16: "bfloat16"}
_CHUNK_BYTES = 2**24
_PATIENCE = 4
"""Times `merge_count` for which small shards wait to be a whole one together."""


class Stored(NamedTuple):
    """Records on the host, in the dtype in which they are stored.

    Attributes:
        records: with these vectors.
        rounding: `float16` or `bfloat16` if vectors were rounded, otherwise empty.
    """

    records: Records
    rounding: str


class HeadBank:
    """Head vectors on disk, by the keys of `clip_key`. Not thread-safe; many processes may share a bank.

    Whatever looks at the bank first waits for what `append_later` was given, and raises what kept that from
    being written.

    Nothing is written, not even a folder, before the first `append`; a read-only folder can be read. Every
    record is checked against its CRC-32 when it is read; a damaged one counts as absent. An open bank takes
    about 0.2 kB of memory per record.

    Args:
        folder: the bank's folder; may not exist yet.
        dtype: float16 or bfloat16 to store rounded vectors; by default vectors keep the model's dtype, so
            that a second run gives the same results as the first. Rounded and exact records never replace
            each other.
        shard_bytes: size up to which small shards are merged.
        merge_count: number of small shards that a process writes before it merges them, or up to four times
            as many where these make a whole shard, which need not be merged again. A bank of 100,000 clips
            thus has hundreds of files instead of thousands. Only merged and large shards are flushed to the
            disk, so most records reach it once.

    Attributes:
        damage: damage found so far, reason by name of shard.

    Raises:
        RunError: the bank was written by a newer version, or is not a folder.
    """

    def __init__(
        self,
        folder: str | Path,
        dtype: torch.dtype | None = None,
        shard_bytes: int = 2**28,
        merge_count: int = 32,
    ) -> None:
        if dtype is not None and dtype not in _ROUNDINGS:
            raise ValueError(
                f"Expected `dtype` to be torch.float16, torch.bfloat16 or None, but got {dtype}."
            )
        self.folder = Path(folder)
        self.dtype = dtype
        self.shard_bytes = shard_bytes
        self.merge_count = merge_count
        self.damage: dict[str, str] = {}
        self._index = PlaceIndex()
        self._shards: dict[int, Shard] = {}
        self._numbers: dict[str, int] = {}
        self._next_number = 0
        self._writer = ShardWriter(self.folder)
        self._behind = WriteBehind()
        self._small: dict[tuple[Kind, int], list[Shard]] = defaultdict(list)
        self.refresh()

    def __len__(self) -> int:
        self.wait()
        return len(self._index)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def refresh(self) -> None:
        """Read what other processes have appended, merged or removed since the last call."""
        self.wait()
        self._list()

    def _list(self) -> None:
        check_format(self.folder)
        paths = {path.name: path for path in shard_paths(self.folder)}
        for name in sorted(paths.keys() - self._numbers.keys() - self.damage.keys()):
            try:
                self._enter(open_shard(paths[name]))
            except ShardGone:
                continue
            except DamagedShard as error:
                self._report(name, f"{error.reason}; its clips count as absent")
        self._forget([name for name in self._numbers if name not in paths])

    def find(self, keys: Sequence[str], verified: bool = False) -> Found:
        """Return which records the bank holds.

        Args:
            keys: N keys.
            verified: read and check each record, so that a later `read` finds no damage; otherwise only the
                headers of shards are checked, at the cost of one look-up per key.

        Raises:
            ValueError: invalid keys; or, with `verified`, records of different shapes or dtypes.
        """
        self.wait()
        present = [key_bytes(key) in self._index for key in keys]
        if verified:
            there = [key for key, known in zip(keys, present, strict=True) if known]
            lost = {key for part in self._chunks(there) for key in self._lost_among([there[i] for i in part])}
            present = [known and key not in lost for known, key in zip(present, keys, strict=True)]
        return Found(torch.tensor(present, dtype=torch.bool))

    def read(self, keys: Sequence[str]) -> Records:
        """Read records in the order of the keys.

        Args:
            keys: N keys of records of one shape and dtype.

        Raises:
            LostRecords: some are absent, damaged or were removed meanwhile; the error has their keys.
            ValueError: records of different shapes or dtypes, that is, of different models.
        """
        self.wait()
        digests = [key_bytes(key) for key in keys]
        kind = self._common_kind(digests)
        vectors_NHD = empty_vectors(kind, len(keys))
        buffers = list(vector_buffers(vectors_NHD)) if keys else []
        options: list[bytes] = [b""] * len(keys)
        meta: list[bytes] = [b"{}"] * len(keys)
        pending = list(range(len(keys)))
        while pending:
            absent = [i for i in pending if digests[i] not in self._index]
            if absent:
                raise LostRecords(self.folder, [keys[i] for i in absent])
            by_shard: dict[int, list[tuple[int, int]]] = defaultdict(list)
            for i in pending:
                place = self._index.place(digests[i])
                assert place is not None
                by_shard[place.shard].append((place.row, i))
            pending = []
            for number, wanted in by_shard.items():
                wanted.sort()
                pending += self._read_from(number, wanted, digests, buffers, options, meta)
                pending += self._not_finite(number, wanted, digests, vectors_NHD)
        return unpack(keys, vectors_NHD, options, meta)

    def iterate(self, keys: Sequence[str], chunk_bytes: int = _CHUNK_BYTES) -> Iterator[Records]:
        """Iterate over records in the order of the keys, in chunks of bounded memory.

        Args:
            keys: as for `read`.
            chunk_bytes: size of the vectors held at a time.

        Raises:
            LostRecords, ValueError: see `read`.
        """
        for part in self._chunks(keys, chunk_bytes):
            yield self.read([keys[i] for i in part])

    def rounded(self, x_NHD: Tensor) -> Tensor:
        """Return vectors as the bank stores them: a first run must use these to equal a second one.

        Raises:
            RunError: values beyond float16's range.
        """
        if self.dtype is None or x_NHD.dtype == self.dtype:
            return x_NHD
        stored_NHD = x_NHD.to(self.dtype)
        if (stored_NHD.isinf() & x_NHD.isfinite()).any():
            raise RunError(
                f"Head vectors up to {x_NHD.abs().max().item():.3g} exceed the range of"
                f" {_ROUNDINGS[self.dtype]}: store the bank as bfloat16, or in the model's dtype."
            )
        return stored_NHD

    def append(self, records: Records, identity: Mapping[str, Any] | None = None) -> int:
        """Write records, all or none; on return every process sees them, even if this one is killed.

        A power failure may still take them until they are merged with others (`merge_count`) or the bank is
        closed: waiting for the disk at each batch made writing 1.7 times slower. What is left of a shard
        then counts as damaged, and its clips as absent.

        Args:
            records: those whose keys the bank already holds are skipped.
            identity: of the model, for `info` and `prune`.

        Returns:
            The number of records written.

        Raises:
            RunError: the disk is full or cannot be written; none of these records was written.
            ValueError: vectors that are not finite.
        """
        self.wait()
        return self._write(self._stored(records), identity)

    def append_later(self, records: Records, identity: Mapping[str, Any] | None = None) -> None:
        """Write records in another thread, as `append` would, in the order of the calls.

        The caller waits for a copy of the vectors on the host, and for the first unfinished call where there
        are `MOST_PENDING` of them. A process that is killed loses these.

        Args:
            records: see `append`.
            identity: see `append`.

        Raises:
            RunError: earlier records could not be written; those of this call were not tried.
            ValueError: vectors that are not finite.
        """
        stored = self._stored(records)
        self._behind.put(lambda: self._write(stored, identity))

    def wait(self) -> None:
        """Wait until what `append_later` was given is written.

        Raises:
            RunError: some of it could not be.
        """
        self._behind.finish()

    def close(self) -> None:
        """Merge the small shards that this object wrote, and wait until they are on the disk.

        Nothing is lost without it, except in a power failure.

        Raises:
            RunError: records given to `append_later` could not be written; what else is there was merged.
        """
        try:
            self.wait()
        except Exception:
            self._merge_all()
            raise
        self._merge_all()  # not where waiting was interrupted: the thread may still be writing

    def _merge_all(self) -> None:
        """Merge small shards of all generations."""
        by_kind: dict[Kind, list[Shard]] = defaultdict(list)
        for (kind, _), shards in self._small.items():
            by_kind[kind] += shards
        self._small.clear()
        for shards in by_kind.values():
            self._merge(shards)

    # Parts

    def _stored(self, records: Records) -> Stored:
        """Return records as they are stored, in memory of their own."""
        self._refuse_not_finite(records.vectors_NHD)
        x_NHD = self.rounded(records.vectors_NHD.detach())
        rounding = _ROUNDINGS[x_NHD.dtype] if x_NHD.dtype != records.vectors_NHD.dtype else ""
        x_NHD = x_NHD.to("cpu", copy=True, memory_format=torch.contiguous_format)
        scores_NO = records.option_scores_NO.detach().to("cpu", copy=True)
        return Stored(replace(records, vectors_NHD=x_NHD, option_scores_NO=scores_NO), rounding)

    def _write(self, stored: Stored, identity: Mapping[str, Any] | None) -> int:
        """Write those that are not in the bank yet; return their number."""
        records = stored.records
        digests = [key_bytes(key) for key in records.keys]
        first = {digest: i for i, digest in reversed(list(enumerate(digests))) if digest not in self._index}
        chosen = sorted(first.values())
        if not chosen:
            return 0
        x_NHD = records.vectors_NHD
        if len(chosen) < len(x_NHD):
            x_NHD = x_NHD[chosen]
        kind = Kind(canonical(dict(identity or {})), _NAMES[x_NHD.dtype], stored.rounding, *x_NHD.shape[1:])
        rows = pack(records, chosen, digests, vector_buffers(x_NHD))
        with told_of_disk(self.folder, len(chosen), x_NHD.nbytes):
            flush = not self._is_small(x_NHD.nbytes)
            path = self._writer.write(kind, rows, [vector_buffers(x_NHD).data], flush=flush)
        self._enter_own(path)
        self._merge_small()
        return len(chosen)

    def _refuse_not_finite(self, vectors_NHD: Tensor) -> None:
        if vectors_NHD.numel() and not torch.stack(torch.aminmax(vectors_NHD)).isfinite().all():
            raise ValueError("Expected finite `vectors_NHD`, but some are NaN or infinite.")

    def _not_finite(
        self, number: int, wanted: Sequence[tuple[int, int]], digests: Sequence[bytes], vectors_NHD: Tensor
    ) -> list[int]:
        """Drop records that are not finite, as earlier versions wrote them; return their positions."""
        bad = [
            (row, i)
            for row, i in wanted
            if number in self._shards and not torch.stack(torch.aminmax(vectors_NHD[i])).isfinite().all()
        ]
        for row, i in bad:
            self._index.drop(digests[i], Place(number, row))
        if bad:
            name = self._shards[number].path.name
            self._report(name, f"{len(bad)} records hold values that are not finite and count as absent")
        return [i for _, i in bad]

    def _lost_among(self, keys: Sequence[str]) -> set[str]:
        """Return keys whose records turn out to be damaged or gone when read."""
        lost: set[str] = set()
        while True:
            try:
                self.read([key for key in keys if key not in lost])
                return lost
            except LostRecords as error:
                lost.update(error.keys)

    def _serves(self, kind: Kind) -> bool:
        """Return whether records of this kind match what was requested, rounded or exact."""
        if self.dtype is None:
            return not kind.rounding
        return kind.dtype == _NAMES[self.dtype]

    def _enter(self, shard: Shard) -> None:
        number = self._next_number
        self._next_number += 1
        self._numbers[shard.path.name] = number
        self._shards[number] = shard
        if self._serves(shard.kind):
            self._index.add(number, shard.all_keys())

    def _enter_own(self, path: Path) -> None:
        try:
            shard = open_shard(path)
        except ShardGone:  # another process merged it already
            self._list()
            return
        self._enter(shard)
        if self._is_small(len(shard) * shard.kind.vector_bytes):
            self._small[shard.kind, shard.generation].append(shard)

    def _is_small(self, num_bytes: int) -> bool:
        """Return whether a shard with vectors of this size is merged with others later."""
        return num_bytes < self.shard_bytes // 2

    def _forget(self, names: Sequence[str]) -> None:
        gone = {self._numbers.pop(name) for name in names if name in self._numbers}
        if gone:
            self._index.drop_shards(gone)
            for number in gone:
                shard = self._shards.pop(number)
                small = self._small.get((shard.kind, shard.generation), [])
                if shard in small:
                    small.remove(shard)

    def _report(self, name: str, reason: str) -> None:
        if name not in self.damage:
            self.damage[name] = reason
            _LOG.warning("Head bank %s: shard %s is damaged: %s.", self.folder, name, reason)

    def _merge_small(self) -> None:
        for shards in list(self._small.values()):
            if shards and self._is_due(shards):
                self._merge(list(shards))

    def _is_due(self, shards: Sequence[Shard]) -> bool:
        """Return whether small shards are merged now; waiting for a whole one spares writing them thrice."""
        count, most = len(shards), _PATIENCE * self.merge_count
        # Not ">=": on a nearly full disk a merge that failed must not be retried at every batch.
        if count % self.merge_count:
            return False
        num_bytes = sum(shard.size for shard in shards)
        will_be_whole = num_bytes * most >= self.shard_bytes * count
        return count >= most or num_bytes >= self.shard_bytes or not will_be_whole

    def _merge(self, shards: Sequence[Shard]) -> None:
        """Merge this process's own shards; if that fails they stay as they are."""
        for part in bins(shards, self.shard_bytes):
            if len(part) < 2:
                self._flush(part[0])
                continue
            try:
                merged = self._writer.merge([shard.path for shard in part])
            except (OSError, ShardGone, CalmError) as error:
                _LOG.info("%s: small shards were not merged (%s).", self.folder, error)
                if isinstance(error, ShardGone):  # another process merged or pruned them
                    self._forget([shard.path.name for shard in part if not shard.path.exists()])
                    self._list()
                continue
            if merged.num_damaged:
                _LOG.warning("%s: %d records are damaged.", self.folder, merged.num_damaged)
            if merged.path:
                self._enter_own(merged.path)
            self._forget([shard.path.name for shard in part])

    def _flush(self, shard: Shard) -> None:
        """Wait until a shard that is not merged is on the disk, unless merging put it there."""
        if shard.generation:
            return
        try:
            flush_shard(shard.path)
        except OSError as error:
            _LOG.info("%s: %s was not flushed (%s).", self.folder, shard.path.name, error)

    def _common_kind(self, digests: Sequence[bytes]) -> Kind:
        kinds = set()
        for digest in digests:
            place = self._index.place(digest)
            if place is not None:
                kinds.add(self._shards[place.shard].kind._replace(identity="", rounding=""))
        if len(kinds) > 1:
            shapes = sorted(f"({k.num_heads}, {k.head_dim}) {k.dtype}" for k in kinds)
            raise ValueError(f"Expected records of one shape and dtype, but got {' and '.join(shapes)}.")
        return kinds.pop() if kinds else Kind("", "F32", "", 0, 0)

    def _chunks(self, keys: Sequence[str], chunk_bytes: int = _CHUNK_BYTES) -> Iterator[range]:
        size = max(1, self._common_kind([key_bytes(key) for key in keys]).vector_bytes)
        step = max(1, chunk_bytes // size)
        return (range(at, min(at + step, len(keys))) for at in range(0, len(keys), step))

    def _read_from(
        self,
        number: int,
        wanted: Sequence[tuple[int, int]],
        digests: Sequence[bytes],
        buffers: Sequence[np.ndarray],
        options: list[bytes],
        meta: list[bytes],
    ) -> list[int]:
        """Read rows of one shard into their positions; return the positions to look for elsewhere."""
        positions = [i for _, i in wanted]
        shard = self._shards.get(number)
        if shard is None:  # gone since the caller looked
            return positions
        rows = [row for row, _ in wanted]
        try:
            block = read_rows(shard, rows, [digests[i] for i in positions], [buffers[i] for i in positions])
        except ShardGone:
            self._forget([shard.path.name])
            self._list()
            return positions
        except DamagedShard as error:
            self._forget([shard.path.name])
            self._report(shard.path.name, f"{error.reason}; its clips count as absent")
            return positions
        again = []
        for row, i, intact, scores, text in zip(
            rows, positions, block.intact, block.options, block.meta, strict=True
        ):
            options[i], meta[i] = scores, text
            if not intact:
                self._index.drop(digests[i], Place(number, row))
                again.append(i)
        if again:
            self._report(shard.path.name, f"{len(again)} records fail their checksum and count as absent")
        return again
