"""Look at a checkpoint's safetensors files before anything is loaded: are they whole?"""

from __future__ import annotations

import json
from pathlib import Path

from calm_pl.errors import ModelError

_LENGTH_BYTES = 8
_LONGEST_HEADER = 100_000_000  # the format's own limit
_INDEX = "model.safetensors.index.json"
_AGAIN = "Copy or download it again."


def refuse_damaged_weights(folder: Path) -> None:
    """Make sure that every safetensors file in a folder is whole, and every shard is there.

    Only headers are read, so this takes no time.

    Raises:
        ModelError: names the file.
    """
    for path in sorted(folder.glob("*.safetensors")):
        _refuse_damaged(path)
    for name in _shards(folder / _INDEX):
        if not (folder / name).is_file():
            raise ModelError(f"{folder / _INDEX} names {name}, but there is no such file beside it. {_AGAIN}")


def _refuse_damaged(path: Path) -> None:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(_LENGTH_BYTES)
            length = int.from_bytes(start, "little")
            text = file.read(length) if length <= _LONGEST_HEADER else b""
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}.") from error
    if size < _LENGTH_BYTES:
        raise ModelError(f"{path}: is truncated: it has {size} bytes, no weights. {_AGAIN}")
    if start.startswith(b"version "):
        raise ModelError(
            f"{path}: is not the weights but a Git LFS pointer to them: run `git lfs pull` there."
        )
    if length > _LONGEST_HEADER:
        raise ModelError(f"{path}: is not a safetensors file (it begins with {start!r}). {_AGAIN}")
    if len(text) < length:
        raise ModelError(f"{path}: is truncated: it ends within its header, after {size:,} bytes. {_AGAIN}")
    try:
        ends = [
            entry["data_offsets"][1] for name, entry in json.loads(text).items() if name != "__metadata__"
        ]
        promised = _LENGTH_BYTES + length + max(ends, default=0)
    except (ValueError, AttributeError, KeyError, IndexError, TypeError) as error:
        raise ModelError(f"{path}: is not a safetensors file: its header cannot be read. {_AGAIN}") from error
    if size < promised:
        raise ModelError(f"{path}: is truncated: it has {size:,} bytes of {promised:,}. {_AGAIN}")


def _shards(index: Path) -> list[str]:
    """Return the names of the files that an index of shards names; none without one."""
    try:
        return sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{index}: cannot be read as an index of shards: {error}. {_AGAIN}") from error
