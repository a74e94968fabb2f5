"""Location of each key's record."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Place(NamedTuple):
    """A record's location.

    Attributes:
        shard: number of the shard in the bank's count.
        row: row in the shard.
    """

    shard: int
    row: int


class PlaceIndex:
    """Map of keys to places, about 180 bytes per key. Copies of a record are remembered as substitutes."""

    def __init__(self) -> None:
        self._first: dict[bytes, int] = {}
        self._others: dict[bytes, list[int]] = {}

    def __len__(self) -> int:
        return len(self._first)

    def __contains__(self, key: bytes) -> bool:
        return key in self._first

    def add(self, shard: int, keys: Iterable[bytes]) -> None:
        """Add all records of a shard."""
        for row, key in enumerate(keys):
            packed = shard << 32 | row  # one int takes a quarter of a tuple's memory
            if self._first.setdefault(key, packed) != packed:
                self._others.setdefault(key, []).append(packed)

    def place(self, key: bytes) -> Place | None:
        """Return where a record is."""
        packed = self._first.get(key)
        return None if packed is None else Place(packed >> 32, packed & 0xFFFFFFFF)

    def drop(self, key: bytes, place: Place) -> None:
        """Forget one location of a record; a copy elsewhere replaces it."""
        packed = place.shard << 32 | place.row
        others = self._others.pop(key, [])
        left = [p for p in (self._first.pop(key, packed), *others) if p != packed]
        if left:
            self._first[key] = left[0]
        if len(left) > 1:
            self._others[key] = left[1:]

    def drop_shards(self, shards: set[int]) -> None:
        """Forget all records of some shards."""
        touched = {k for k, p in self._first.items() if p >> 32 in shards}
        touched |= {k for k, ps in self._others.items() if any(p >> 32 in shards for p in ps)}
        for key in touched:
            for packed in (self._first[key], *self._others.get(key, [])):
                if packed >> 32 in shards:
                    self.drop(key, Place(packed >> 32, packed & 0xFFFFFFFF))

    @property
    def num_copies(self) -> int:
        """Number of additional copies."""
        return sum(map(len, self._others.values()))
