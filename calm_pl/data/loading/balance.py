"""Distribution of clips over batches, and of batches over ranks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch.utils.data import Sampler

from calm_pl.data.loading.batches import MediaRule
from calm_pl.data.questions.clips import Clip
from calm_pl.media import header_seconds


def batches_by_length(
    seconds_N: Sequence[float], max_clips: int, max_seconds: float | None = None
) -> list[list[int]]:
    """Batch clips of similar length, the longest first: little padding, and too large a batch fails at once.

    Args:
        seconds_N: length of each clip as the model hears it.
        max_clips: the most clips a batch.
        max_seconds: the most sound a batch with its padding, clips times the longest of them; a clip that is
            longer by itself is a batch of its own.

    Returns:
        Positions; equal lengths keep the order of the data set.
    """
    batches: list[list[int]] = []
    for position in sorted(range(len(seconds_N)), key=lambda n: -seconds_N[n]):
        batch = batches[-1] if batches else []
        full = len(batch) >= max_clips
        if batch and max_seconds is not None:
            full = full or (len(batch) + 1) * seconds_N[batch[0]] > max_seconds
        if not batch or full:
            batches.append([position])
        else:
            batch.append(position)
    return batches


class DealtBatches(Sampler[list[int]]):
    """The batches of one rank; over all ranks each batch comes exactly once.

    The batches are those of a single process, dealt out in turns that go back and forth: a clip has the same
    companions, and so the same padding and the same rounding, on any number of ranks; and where they come
    longest first, ranks finish together. Every rank makes the same number of batches, so that none skips a
    hook in which the others wait for it; those past the end are empty rather than filled with repeated clips.

    Args:
        batches: of all ranks.
        rank: this rank.
        world_size: number of ranks.
    """

    def __init__(self, batches: Sequence[list[int]], rank: int, world_size: int) -> None:
        self.batches = batches
        self.rank = rank
        self.world_size = world_size

    def __len__(self) -> int:
        return -(-len(self.batches) // self.world_size)

    def __iter__(self) -> Iterator[list[int]]:
        for turn in range(len(self)):
            place = self.rank if turn % 2 == 0 else self.world_size - 1 - self.rank
            position = turn * self.world_size + place
            yield list(self.batches[position]) if position < len(self.batches) else []


def heard_seconds(clips: Sequence[Clip], rule: MediaRule) -> list[float]:
    """Return how much of each clip the model hears, from its header; the whole window if that is unknown."""
    lengths = header_seconds([clip.path for clip in clips])
    whole = rule.long_clips == "windows"
    return [
        rule.max_seconds if seconds is None else seconds if whole else min(seconds, rule.max_seconds)
        for seconds in lengths
    ]
