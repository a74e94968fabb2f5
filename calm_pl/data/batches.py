"""From queries to batches; runs in DataLoader workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Self

import torch
from torch import Tensor
from torch.utils.data import Dataset

from calm_pl.data.clips import Query
from calm_pl.errors import BadClipError
from calm_pl.media import Decoder, FrameRule, Frames, Waveform
from calm_pl.models.preparer import Preparer


class Failure(NamedTuple):
    """A clip that could not be read.

    Attributes:
        position: its place in the data set.
        reason: message that names the file.
    """

    position: int
    reason: str


class Media(NamedTuple):
    """A decoded clip.

    Attributes:
        sound: its waveform, in one window or several.
        frames: its pictures; None for sound alone.
    """

    sound: Waveform
    frames: Frames | None = None


class ModelPass(NamedTuple):
    """What one forward pass takes.

    Attributes:
        inputs: the model's tensors of R rows.
        clip_R: the clip of each row, a position among the batch's N; int64.
    """

    inputs: dict[str, Tensor]
    clip_R: Tensor


@dataclass
class Batch:
    """Clips ready for the model.

    Attributes:
        index_N: positions in the data set, int64.
        label_N: true class indices, int64; -1 where nobody knows.
        options_NO: class indices of the options in the order of their letters, (N, O) int64; -1: none.
        passes: forward passes over all windows of the clips; none where no clip of the batch could be read.
        failures: clips that could not be read; they are not among the N.
        num_cut: clips that were longer than the model's window.
    """

    index_N: Tensor
    label_N: Tensor
    options_NO: Tensor
    passes: list[ModelPass] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    num_cut: int = 0

    def to(self, device: torch.device | str) -> Self:
        """Move the tensors to a device, in place."""
        self.index_N = self.index_N.to(device)
        self.label_N = self.label_N.to(device)
        self.options_NO = self.options_NO.to(device)
        self.passes = [
            ModelPass(
                {name: tensor.to(device, non_blocking=True) for name, tensor in one.inputs.items()},
                one.clip_R.to(device),
            )
            for one in self.passes
        ]
        return self


class MediaRule(NamedTuple):
    """How files become arrays.

    Attributes:
        sample_rate: Hz.
        max_seconds: the model's window.
        long_clips: what is heard of longer clips.
        frames: how frames are picked; None for sound alone.
        decode_seconds: time limit a file.
    """

    sample_rate: int
    max_seconds: float
    long_clips: str = "start"
    frames: FrameRule | None = None
    decode_seconds: float = 60.0


class ClipDataset(Dataset[tuple[int, Media | Failure]]):
    """Decoded clips by position; a clip that cannot be read comes as a `Failure`.

    Several questions about one clip in a batch share its decoding.

    Args:
        queries: questions about clips.
        rule: how files are read.
    """

    def __init__(self, queries: Sequence[Query], rule: MediaRule) -> None:
        self.queries = queries
        self.rule = rule
        self.decoder = Decoder(rule.decode_seconds)

    def __len__(self) -> int:
        return len(self.queries)

    def __getitem__(self, index: int) -> tuple[int, Media | Failure]:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: list[int]) -> list[tuple[int, Media | Failure]]:
        decoded: dict[tuple[Path, Path | None], Media | str] = {}
        items: list[tuple[int, Media | Failure]] = []
        for index in indices:
            clip = self.queries[index].clip
            key = (clip.path, clip.video)
            if key not in decoded:
                decoded[key] = self._decode(*key)
            media = decoded[key]
            # An exception would cross the worker's border as a traceback; the module decides what to do.
            items.append((index, Failure(index, media) if isinstance(media, str) else media))
        return items

    def _decode(self, path: Path, video: Path | None) -> Media | str:
        """The clip's media, or why there are none."""
        rule = self.rule
        try:
            sound = self.decoder.audio(path, rule.sample_rate, rule.max_seconds, rule.long_clips)
            if rule.frames is None:
                return Media(sound)
            heard = len(sound.windows[0]) / rule.sample_rate
            return Media(sound, self.decoder.frames(video or path, rule.frames, heard))
        except BadClipError as error:
            return str(error)


class Collator:
    """Makes a `Batch` of decoded clips.

    Args:
        queries: the data set's questions.
        preparer: makes the model's inputs.
        max_rows: windows a forward pass.
    """

    def __init__(self, queries: Sequence[Query], preparer: Preparer, max_rows: int) -> None:
        self.queries = queries
        self.preparer = preparer
        self.max_rows = max_rows

    def __call__(self, items: Sequence[tuple[int, Media | Failure]]) -> Batch:
        """Collate what `ClipDataset` gives."""
        read = [(i, media) for i, media in items if isinstance(media, Media)]
        queries = [self.queries[i] for i, _ in read]
        width = max((len(query.options) for query in queries), default=0)
        padded = [[*query.options, *[-1] * (width - len(query.options))] for query in queries]
        return Batch(
            index_N=torch.tensor([i for i, _ in read], dtype=torch.int64),
            label_N=torch.tensor([query.label for query in queries], dtype=torch.int64),
            options_NO=torch.tensor(padded, dtype=torch.int64).reshape(len(read), width),
            passes=self.passes(queries, [media for _, media in read]),
            failures=[media for _, media in items if isinstance(media, Failure)],
            num_cut=sum(media.sound.was_cut for _, media in read),
        )

    def passes(self, queries: Sequence[Query], media: Sequence[Media]) -> list[ModelPass]:
        """Forward passes of at most `max_rows` windows each."""
        rows = [(n, window) for n, one in enumerate(media) for window in one.sound.windows]
        passes = []
        for start in range(0, len(rows), self.max_rows):
            part = rows[start : start + self.max_rows]
            sound, questions = [window for _, window in part], [queries[n].question for n, _ in part]
            frames = [one for n, _ in part if (one := media[n].frames) is not None]
            inputs = self.preparer(sound, questions, frames) if frames else self.preparer(sound, questions)
            passes.append(ModelPass(inputs, torch.tensor([n for n, _ in part], dtype=torch.int64)))
        return passes
