"""List the contents of a bank's folder."""

from __future__ import annotations

import json
import os
from pathlib import Path

from calm_pl.bank.journal import read_history
from calm_pl.bank.writing import FORMAT, SUFFIX
from calm_pl.errors import RunError
from calm_pl.regular_files import read_regular


def shard_paths(folder: Path) -> list[Path]:
    """Return the files of all shards, sorted by name; empty if there is no bank yet."""
    shards = folder / "shards"
    try:
        return sorted(shards / name for name in os.listdir(shards) if name.endswith(SUFFIX))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RunError(f"The bank {str(folder)!r} cannot be read: {error.strerror}.") from error


def missing_shards(folder: Path) -> dict[str, int]:
    """Return the number of records, by name, of shards that were written, never removed, and are missing."""
    history = read_history(folder)
    present = {path.name for path in shard_paths(folder)}
    gone = history.added.keys() - history.removed - present
    # A shard may have been replaced after the journals were read.
    return {name: history.added[name] for name in sorted(gone - read_history(folder).removed)} if gone else {}


def check_format(folder: Path) -> None:
    """Raise RunError if a newer version wrote the bank.

    Raises:
        RunError: the bank's format is newer.
    """
    try:
        found = int(json.loads(read_regular(folder / "bank.json"))["format"])
    except FileNotFoundError:
        return
    except NotADirectoryError as error:
        raise RunError(f"The bank {str(folder)!r} is not a folder.") from error
    except (OSError, ValueError, KeyError, TypeError):
        return  # shards hold the format too
    if found > FORMAT:
        raise RunError(
            f"The bank {str(folder)!r} has format {found}, newer than this version of calm_pl reads"
            f" ({FORMAT}): update calm_pl, or choose another with bank.dir=FOLDER."
        )


def require_bank(folder: Path) -> None:
    """Raise RunError if a folder is not a bank, so that a mistyped name is not taken for an empty one.

    Raises:
        RunError: there is no bank, or its format is newer.
    """
    if not (folder / "shards").is_dir():
        raise RunError(f"{str(folder)!r} is not a head bank (it has no folder 'shards').")
    check_format(folder)
