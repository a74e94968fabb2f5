"""The leak guard: support and query must not share a recording."""

from __future__ import annotations

from collections.abc import Sequence

from calm_pl.data.clips import Clip
from calm_pl.errors import DataError

_SHOWN = 5


def refuse_leaks(support: Sequence[Clip], query: Sequence[Clip]) -> None:
    """Raise where a query clip has the source recording or the file of a support clip.

    Raises:
        DataError: names the pairs.
    """
    by_group = {clip.group: clip for clip in support}
    by_file = {clip.path.resolve(): clip for clip in support}
    pairs, recordings = [], set()
    for clip in query:
        match = by_group.get(clip.group) or by_file.get(clip.path.resolve())
        if match is not None:
            recordings.add(match.group)
            pairs.append(f"{match.id} (support) and {clip.id} (query), recording {clip.group}")
    if pairs:
        shared = "1 recording" if len(recordings) == 1 else f"{len(recordings)} recordings"
        more = f"\n  and {len(pairs) - _SHOWN} more" if len(pairs) > _SHOWN else ""
        raise DataError(
            f"Support and query share {shared}, which would make the scores too good:\n  "
            + "\n  ".join(pairs[:_SHOWN])
            + more
        )
