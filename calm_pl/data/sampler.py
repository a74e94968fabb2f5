"""Every clip exactly once, on any number of ranks."""

from __future__ import annotations

import math
from collections.abc import Iterator

from torch.utils.data import Sampler


class ExactlyOnceBatches(Sampler[list[int]]):
    """Batches of clip indices for one rank; over all ranks each clip comes exactly once.

    Every rank makes the same number of batches, so that none skips a hook in which the others wait for it;
    batches past the end are short, or empty, rather than filled with repeated clips.

    Args:
        num_clips: N.
        batch_size: clips a batch.
        rank: this rank.
        world_size: number of ranks.
    """

    def __init__(self, num_clips: int, batch_size: int, rank: int, world_size: int) -> None:
        self.indices = range(rank, num_clips, world_size)
        self.batch_size = batch_size
        self.num_batches = math.ceil(num_clips / (batch_size * world_size))

    def __len__(self) -> int:
        return self.num_batches

    def __iter__(self) -> Iterator[list[int]]:
        for batch in range(self.num_batches):
            start = batch * self.batch_size
            yield list(self.indices[start : start + self.batch_size])
