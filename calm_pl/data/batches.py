"""From queries to batches; runs in DataLoader workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset

from calm_pl.data.clips import Query
from calm_pl.errors import BadClipError
from calm_pl.media import Waveform, load_audio
from calm_pl.models.preparer import Preparer


class Failure(NamedTuple):
    """A clip that could not be read.

    Attributes:
        position: its place in the data set.
        reason: message that names the file.
    """

    position: int
    reason: str


@dataclass
class Batch:
    """Clips ready for the model.

    Attributes:
        index_N: positions in the data set, int64.
        label_N: true class indices, int64.
        options_NO: class indices of the options in the order of their letters, (N, O) int64.
        inputs: the model's tensors; empty where no clip of the batch could be read.
        failures: clips that could not be read; they are not among the N.
        num_cut: clips that were longer than the model's window.
    """

    index_N: Tensor
    label_N: Tensor
    options_NO: Tensor
    inputs: dict[str, Tensor] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    num_cut: int = 0


class ClipDataset(Dataset[tuple[int, Waveform | Failure]]):
    """Decoded clips by position; a clip that cannot be read comes as a `Failure`.

    Args:
        queries: questions about clips.
        sample_rate: Hz.
        max_seconds: the model's window.
        long_clips: what is kept of longer clips.
    """

    def __init__(
        self, queries: Sequence[Query], sample_rate: int, max_seconds: float, long_clips: str
    ) -> None:
        self.queries = queries
        self.sample_rate = sample_rate
        self.max_seconds = max_seconds
        self.long_clips = long_clips

    def __len__(self) -> int:
        return len(self.queries)

    def __getitem__(self, index: int) -> tuple[int, Waveform | Failure]:
        path = self.queries[index].clip.path
        try:
            return index, load_audio(path, self.sample_rate, self.max_seconds, self.long_clips)
        except BadClipError as error:
            # An exception would cross the worker's border as a traceback; the module decides what to do.
            return index, Failure(index, str(error))


class Collator:
    """Makes a `Batch` of decoded clips.

    Args:
        queries: the data set's questions.
        labels: class index of each query.
        preparer: makes the model's inputs.
    """

    def __init__(self, queries: Sequence[Query], labels: Sequence[int], preparer: Preparer) -> None:
        self.queries = queries
        self.labels = labels
        self.preparer = preparer

    def __call__(self, items: Sequence[tuple[int, Waveform | Failure]]) -> Batch:
        """Collate what `ClipDataset` gives."""
        read = [(i, clip) for i, clip in items if isinstance(clip, Waveform)]
        queries = [self.queries[i] for i, _ in read]
        num_options = len(queries[0].options) if queries else 0
        batch = Batch(
            index_N=torch.tensor([i for i, _ in read], dtype=torch.int64),
            label_N=torch.tensor([self.labels[i] for i, _ in read], dtype=torch.int64),
            options_NO=torch.tensor([q.options for q in queries], dtype=torch.int64).reshape(
                len(read), num_options
            ),
            failures=[clip for _, clip in items if isinstance(clip, Failure)],
            num_cut=sum(clip.was_cut for _, clip in read),
        )
        if read:
            batch.inputs = self.preparer(
                [clip.samples for _, clip in read], [query.question for query in queries]
            )
        return batch
