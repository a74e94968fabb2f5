"""Files that appear under their name only when complete. Floor 0."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_UNFINISHED = re.compile(r"\.[0-9a-f]{8}\.part$")


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a path to write to, which becomes `path` when the block ends, or is deleted if it fails."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A unique name: other processes may be writing the same file.
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def remove_unfinished(folder: Path) -> None:
    """Remove what processes that were killed while they wrote have left of `replacing` in a folder."""
    for path in folder.glob("*.part"):
        if _UNFINISHED.search(path.name):
            with suppress(OSError):  # whoever may not delete it is left with it
                path.unlink()


def write_text(path: str | Path, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")
