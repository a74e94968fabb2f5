"""Iterate over clips in chunks, to bound memory."""

from __future__ import annotations

from collections.abc import Iterator

# 2^24 float32 values are 64 MiB: the largest (n, H, C) or (n, H, D) block that is ever held at once.
MAX_BLOCK = 2**24


def clip_chunks(
    num_clips: int, values_per_clip: int, max_block: int | None = None, most: int | None = None
) -> Iterator[slice]:
    """Return slices that divide `num_clips` clips so that a chunk's block has at most `max_block` values.

    Args:
        num_clips: N.
        values_per_clip: values that one clip needs, e.g. H·C for scores.
        max_block: maximum values per chunk, `MAX_BLOCK` if None; a chunk has at least one clip.
        most: maximum clips per chunk; None for no further bound.
    """
    step = max(1, (max_block or MAX_BLOCK) // max(1, values_per_clip))
    step = step if most is None else min(step, most)
    for start in range(0, num_clips, step):
        yield slice(start, min(start + step, num_clips))
