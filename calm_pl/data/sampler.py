"""Every clip exactly once, on any number of ranks."""

from __future__ import annotations

import math
from collections.abc import Iterator

from torch.utils.data import Sampler


class ExactlyOnceBatches(Sampler[list[int]]):
    """Batches of clip indices for one rank; over all ranks each clip comes exactly once.

    The batches are those of a single process, dealt out to the ranks in turn: a clip has the same companions,
    and so the same padding and the same rounding, on any number of ranks. Every rank makes the same number of
    batches, so that none skips a hook in which the others wait for it; those past the end are empty rather
    than filled with repeated clips.

    Args:
        num_clips: N.
        batch_size: clips a batch.
        rank: this rank.
        world_size: number of ranks.
    """

    def __init__(self, num_clips: int, batch_size: int, rank: int, world_size: int) -> None:
        self.num_clips = num_clips
        self.batch_size = batch_size
        self.rank = rank
        self.world_size = world_size

    def __len__(self) -> int:
        return math.ceil(self.num_clips / (self.batch_size * self.world_size))

    def __iter__(self) -> Iterator[list[int]]:
        for turn in range(len(self)):
            start = (turn * self.world_size + self.rank) * self.batch_size
            yield list(range(start, min(start + self.batch_size, self.num_clips)))
