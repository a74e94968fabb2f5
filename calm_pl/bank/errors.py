"""What can be wrong with a bank."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from calm_pl.errors import CalmError, RunError


class DamagedShard(CalmError):
    """A shard that is not what was written.

    Attributes:
        path: the file.
        reason: what shows it.
    """

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path}: {reason}.")


class ShardGone(Exception):
    """A shard that another process replaced or pruned since the bank was last listed."""


class LostRecords(RunError):
    """Records that were found, but cannot be had any more: damaged, or pruned by another process.

    Attributes:
        keys: theirs; `find` calls them absent from now on, so that they can be computed again.
    """

    def __init__(self, folder: Path, keys: Sequence[str]) -> None:
        self.keys = list(keys)
        super().__init__(
            f"{len(self.keys)} records of the bank {str(folder)!r} are absent or damaged: they must be"
            " computed again (run the same command once more)."
        )
