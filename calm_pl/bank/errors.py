"""Errors of a bank."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from calm_pl.errors import CalmError, RunError


class DamagedShard(CalmError):
    """A shard's content differs from what was written.

    Attributes:
        path: the file.
        reason: how it was detected.
    """

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path}: {reason}.")


class ShardGone(Exception):
    """A shard was replaced or pruned by another process since the bank was last listed."""


class LostRecords(RunError):
    """Records were found but can no longer be read: damaged, or pruned by another process.

    Attributes:
        keys: their keys; `find` reports them as absent from now on, so that they are computed again.
    """

    def __init__(self, folder: Path, keys: Sequence[str]) -> None:
        self.keys = list(keys)
        super().__init__(
            f"{len(self.keys)} records of the bank {str(folder)!r} are missing or damaged: run the same"
            " command again to recompute them."
        )
