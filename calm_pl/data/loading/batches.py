"""From questions to batches; runs in DataLoader workers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor
from torch.utils.data import Dataset

from calm_pl.cells import joined
from calm_pl.data.questions.clips import Query
from calm_pl.errors import BadClipError, RunError
from calm_pl.media import FrameRule, Frames, Waveform, shared_decoder
from calm_pl.media.odd_sound import TOO_LOUD
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
    """Input of one forward pass.

    Attributes:
        inputs: the model's tensors of R rows.
        clip_R: the clip of each row, a position among the batch's N; int64.
    """

    inputs: dict[str, Tensor]
    clip_R: Tensor

    def to(self, device: torch.device | str) -> ModelPass:
        """Return a copy on a device."""
        inputs = {name: tensor.to(device, non_blocking=True) for name, tensor in self.inputs.items()}
        return ModelPass(inputs, self.clip_R.to(device))


@dataclass
class Batch:
    """Clips ready for the model.

    Attributes:
        index_N: positions in the data set, int64.
        label_N: true class indices, int64; -1 where nobody knows.
        options_NO: class indices of the options in the order of their letters, (N, O) int64; -1: none.
        passes: forward passes over all windows of the clips; none where no clip of the batch could be read.
            None either where the head bank holds the clips.
        turned: the same for each further order of the options.
        keys: of the clips in the head bank, N of them; empty without one.
        failures: clips that could not be read; they are not among the N.
        notes: of each decoded clip, for the head bank: `id`, `path`, `label`, `prompt` (the question),
            `seconds`, `was_cut`, whether it was longer than the model's window, and `odd`, its kinds of
            `ODD_SOUND`.
    """

    index_N: Tensor
    label_N: Tensor
    options_NO: Tensor
    passes: list[ModelPass] = field(default_factory=list)
    turned: list[list[ModelPass]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    notes: list[dict[str, Any]] = field(default_factory=list)

    @property
    def banked(self) -> bool:
        """Whether the head bank has these clips, so that nothing was decoded."""
        return len(self.index_N) > 0 and not self.passes

    def fail(self, reasons: Mapping[int, str]) -> None:
        """Move clips to the failures, in place; the passes are of all clips and done by now.

        Args:
            reasons: by row.
        """
        if not reasons:
            return
        self.failures += [Failure(int(self.index_N[n]), reason) for n, reason in reasons.items()]
        keep = [n for n in range(len(self.index_N)) if n not in reasons]
        rows = torch.tensor(keep, dtype=torch.int64, device=self.index_N.device)
        self.index_N, self.label_N, self.options_NO = (
            one[rows] for one in (self.index_N, self.label_N, self.options_NO)
        )
        self.keys = [self.keys[n] for n in keep] if self.keys else []
        self.notes = [self.notes[n] for n in keep] if self.notes else []

    def to(self, device: torch.device | str) -> Self:
        """Move the tensors to a device, in place."""
        self.index_N = self.index_N.to(device)
        self.label_N = self.label_N.to(device)
        self.options_NO = self.options_NO.to(device)
        self.passes = [one.to(device) for one in self.passes]
        self.turned = [[one.to(device) for one in passes] for passes in self.turned]
        return self


class MediaRule(NamedTuple):
    """How files are converted to arrays.

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


class Banked(NamedTuple):
    """A clip whose head vectors are in the bank, so that it need not be decoded."""


Item = tuple[int, Media | Banked | Failure | RunError]


def raise_faults(items: Sequence[Item]) -> None:
    """Raise what kept clips from being decoded that is no clip's fault.

    Raises:
        RunError: such as a decoder that cannot be started.
    """
    for _, item in items:
        if isinstance(item, RunError):
            raise item


class ClipDataset(Dataset[Item]):
    """Decoded clips by position; a clip that cannot be read becomes a `Failure`.

    Several questions about one clip in a batch share its decoding.

    Args:
        queries: questions about clips.
        rule: how files are read.
        banked: positions of clips that need not be read.
    """

    def __init__(self, queries: Sequence[Query], rule: MediaRule, banked: Set[int] = frozenset()) -> None:
        self.queries = queries
        self.rule = rule
        self.banked = banked
        self.decoder = shared_decoder(rule.decode_seconds)

    def __len__(self) -> int:
        return len(self.queries)

    def __getitem__(self, index: int) -> Item:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: list[int]) -> list[Item]:
        decoded: dict[tuple[Path, Path | None], Media | str | RunError] = {}
        items: list[Item] = []
        for index in indices:
            if index in self.banked:
                items.append((index, Banked()))
                continue
            clip = self.queries[index].clip
            key = (clip.path, clip.video)
            if key not in decoded:
                decoded[key] = self._decode(*key)
            media = decoded[key]
            if isinstance(media, RunError):
                return [(index, media)]
            # An exception would cross the worker's border as a traceback; the module decides what to do.
            items.append((index, Failure(index, media) if isinstance(media, str) else media))
        return items

    def _decode(self, path: Path, video: Path | None) -> Media | str | RunError:
        """Decode a clip's media, or return why that failed; an error where it is no clip's fault."""
        rule = self.rule
        try:
            sound = self.decoder.audio(path, rule.sample_rate, rule.max_seconds, rule.long_clips)
            if rule.frames is None:
                return Media(sound)
            heard = len(sound.windows[0]) / rule.sample_rate
            return Media(sound, self.decoder.frames(video or path, rule.frames, heard))
        except BadClipError as error:
            return str(error)
        except RunError as error:
            return error


def any_loud(sounds: Iterable[Waveform]) -> bool:
    """Return whether a clip is far above full scale, which is counted as odd, but heard as it is."""
    return any(TOO_LOUD in sound.odd for sound in sounds)


class Collator:
    """Collator that makes a `Batch` of decoded clips.

    Args:
        queries: the data set's questions.
        preparer: makes the model's inputs.
        max_rows: windows a forward pass, (1,) int64; in shared memory, so that it can be lowered while
            DataLoader's processes run.
        keys: of the clips in the head bank, by position; None without one.
    """

    def __init__(
        self,
        queries: Sequence[Query],
        preparer: Preparer,
        max_rows: Tensor,
        keys: Sequence[str] | None = None,
    ) -> None:
        self.queries = queries
        self.preparer = preparer
        self.max_rows = max_rows
        self.keys = keys

    def __call__(self, items: Sequence[Item]) -> Batch:
        """Collate what `ClipDataset` returns; cached clips are batched separately.

        Raises:
            RunError: nothing can be decoded.
        """
        raise_faults(items)
        kept = [(i, item) for i, item in items if not isinstance(item, Failure)]
        media = [item for _, item in kept if isinstance(item, Media)]
        queries = [self.queries[i] for i, _ in kept]
        width = max((len(query.options) for query in queries), default=0)
        padded = [[*query.options, *[-1] * (width - len(query.options))] for query in queries]
        return Batch(
            index_N=torch.tensor([i for i, _ in kept], dtype=torch.int64),
            label_N=torch.tensor([query.label for query in queries], dtype=torch.int64),
            options_NO=torch.tensor(padded, dtype=torch.int64).reshape(len(kept), width),
            passes=self.passes([query.question for query in queries], media) if media else [],
            turned=self._turned(queries, media),
            keys=[] if self.keys is None else [self.keys[i] for i, _ in kept],
            failures=[item for _, item in items if isinstance(item, Failure)],
            notes=[_note(query, one) for query, one in zip(queries, media, strict=True)] if media else [],
        )

    def _turned(self, queries: Sequence[Query], media: Sequence[Media]) -> list[list[ModelPass]]:
        """Return passes for every further order of the options; all questions have equally many."""
        orders = zip(*(query.turned for query in queries), strict=True) if media else ()
        return [self.passes(questions, media) for questions in orders]

    def passes(self, asked: Sequence[str], media: Sequence[Media]) -> list[ModelPass]:
        """Split into forward passes of at most `max_rows` windows each, one question per clip."""
        rows = [(n, window) for n, one in enumerate(media) for window in one.sound.windows]
        size = int(self.max_rows[0])
        passes = []
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            sound, questions = [window for _, window in part], [asked[n] for n, _ in part]
            frames = [one for n, _ in part if (one := media[n].frames) is not None]
            loud = any_loud(media[n].sound for n, _ in part)
            inputs = self.preparer(sound, questions, frames or None, any_level=loud)
            passes.append(ModelPass(inputs, torch.tensor([n for n, _ in part], dtype=torch.int64)))
        return passes


def _note(query: Query, media: Media) -> dict[str, Any]:
    return {
        "id": query.clip.id,
        "path": str(query.clip.path),
        "label": joined(query.clip.labels),
        "prompt": query.question,
        "seconds": round(media.sound.seconds, 3),
        "was_cut": media.sound.was_cut,
        "odd": list(media.sound.odd),
    }
