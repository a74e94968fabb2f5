"""The leak guard: support and query must not share a recording."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from calm_pl.data.questions.clips import Clip
from calm_pl.errors import DataError

LEAK_GUARDS = ("content", "names", "none")
_SHOWN = 5


def refuse_leaks(support: Sequence[Clip], query: Sequence[Clip], content: bool = True) -> None:
    """Raise where a query clip is a support clip in another guise.

    Args:
        support: clips that are fitted, held-out ones included.
        query: clips that are evaluated.
        content: also compare the bytes of files of equal size; else ids, groups and paths alone.

    Raises:
        DataError: names the pairs and what they share.
    """
    shared = {trait: clip for clip in support for trait in _traits(clip)}
    pairs, traits = [], set()
    for clip in query:
        trait = next((trait for trait in _traits(clip) if trait in shared), None)
        if trait is not None:
            traits.add(trait)
            pairs.append(f"{shared[trait].id} (support) and {clip.id} (query): {trait}")
    if content and not pairs:
        for first, second in _same_bytes(support, query):
            traits.add(first.id)
            pairs.append(f"{first.id} (support) and {second.id} (query): files with the same bytes")
    if pairs:
        count = "1 recording" if len(traits) == 1 else f"{len(traits)} recordings"
        more = f"\n  and {len(pairs) - _SHOWN} more" if len(pairs) > _SHOWN else ""
        raise DataError(
            f"Support and query share {count}, which would inflate the scores:\n  "
            + "\n  ".join(pairs[:_SHOWN])
            + more
            + "\nIf this is intended, data.leak_guard=none continues and notes it in the results."
        )


def _traits(clip: Clip) -> list[str]:
    """Return what identifies a recording, in the words of the error."""
    files = [clip.path] if clip.video is None else [clip.path, clip.video]
    return [*clip.groups, f"clip {clip.id}", *(f"file {path.resolve()}" for path in files)]


def _same_bytes(support: Sequence[Clip], query: Sequence[Clip]) -> list[tuple[Clip, Clip]]:
    """Return pairs of files with the same bytes. Only files whose size occurs on both sides are read."""
    by_size: dict[int, list[Clip]] = {}
    for clip in support:
        by_size.setdefault(_size(clip.path), []).append(clip)
    by_size.pop(-1, None)
    known: dict[tuple[int, bytes], Clip] = {}
    hashed: set[int] = set()
    pairs = []
    for clip in query:
        size = _size(clip.path)
        if size not in by_size:
            continue
        if size not in hashed:
            hashed.add(size)
            known.update({(size, _digest(one.path)): one for one in by_size[size]})
        match = known.get((size, _digest(clip.path)))
        if match is not None:
            pairs.append((match, clip))
    return pairs


def _size(path: Path) -> int:
    """Return the size of a file; -1 if it cannot be read, which decoding will report."""
    try:
        return path.stat().st_size if path.is_file() else -1
    except OSError:
        return -1


def _digest(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "blake2b").digest()
    except OSError:
        return str(path).encode()  # no two are alike; decoding will report the file
