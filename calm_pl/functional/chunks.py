"""Bounded memory: walk over clips in chunks."""

from __future__ import annotations

from collections.abc import Iterator

# 2^24 float32 values are 64 MiB: the largest (n, H, C) or (n, H, D) block that is ever held at once.
MAX_BLOCK = 2**24


def clip_chunks(num_clips: int, values_per_clip: int, max_block: int | None = None) -> Iterator[slice]:
    """Slices that cut `num_clips` clips so that a block of one chunk has at most `max_block` values.

    Args:
        num_clips: N.
        values_per_clip: values that one clip needs, e.g. H·C for scores.
        max_block: values a chunk may hold, `MAX_BLOCK` where None; a chunk is never below one clip.
    """
    step = max(1, (max_block or MAX_BLOCK) // max(1, values_per_clip))
    for start in range(0, num_clips, step):
        yield slice(start, min(start + step, num_clips))
