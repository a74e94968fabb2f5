"""Journals of what each writer did, so that `verify` can tell a missing shard from one that never existed.

Each writer appends to a file of its own; no other process writes to it. A lost line affects reports, not
records.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from calm_pl.regular_files import read_regular

_LOG = logging.getLogger("calm_pl.bank")


class History(NamedTuple):
    """All writers' journals.

    Attributes:
        added: number of records by name of shard.
        removed: names of shards that were replaced or pruned.
    """

    added: dict[str, int]
    removed: set[str]


def note(folder: Path, writer: str, added: dict[str, int], removed: Iterable[str] = ()) -> None:
    """Append a line to a writer's journal.

    Args:
        folder: the bank.
        writer: its name.
        added: number of records by name of a new shard.
        removed: names of shards that are about to be deleted.
    """
    line = json.dumps({"added": added, "removed": list(removed)}) + "\n"
    path = folder / "journal" / f"{writer}.jsonl"
    try:
        path.parent.mkdir(exist_ok=True)
        with path.open("ab", buffering=0) as file:
            file.write(line.encode())
    except OSError as error:
        # The shard itself is safely on disk: no record is affected.
        _LOG.warning("%s: cannot be written (%s); verify will not miss this shard.", path, error.strerror)


def read_history(folder: Path) -> History:
    """Read all journals; an incomplete last line is ignored."""
    history = History({}, set())
    for path in sorted((folder / "journal").glob("*.jsonl")):
        try:
            lines = read_regular(path).splitlines()
        except OSError as error:
            _LOG.warning("%s: cannot be read (%s); verify will not miss its shards.", path, error.strerror)
            continue
        for line in lines:
            try:
                entry = json.loads(line)
                history.added.update({str(name): int(n) for name, n in entry["added"].items()})
                history.removed.update(map(str, entry["removed"]))
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
    return history
