"""Clips with the expected answers: manifests, and batches for training and validation."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from calm_pl.data.loading.batches import ClipDataset, Failure, Item, Media, MediaRule, any_loud, raise_faults
from calm_pl.data.own.columns import PATH_COLUMNS, column_of, one_text
from calm_pl.data.own.manifest import read_rows
from calm_pl.data.own.manifest_paths import ManifestPaths
from calm_pl.data.questions.clips import Clip, Query
from calm_pl.data.questions.draws import stable_number
from calm_pl.errors import DataError
from calm_pl.masks.settings import TextSettings
from calm_pl.models.preparer import Preparer

TEXT_COLUMNS = ("text", "target", "answer", "transcript", "sentence", "label")
_TRAIN, _VALIDATION = ("", "train"), ("validation", "val", "valid", "dev")


class TextClip(NamedTuple):
    """A clip and the expected answer."""

    clip: Clip
    text: str


@dataclass
class TextBatch:
    """Clips ready for the model, with their answers.

    Attributes:
        inputs: the model's input tensors for N prompts; empty if a clip could not be read.
        texts: N expected answers.
        failures: why clips could not be read.
        odd: kinds of `calm_pl.media.ODD_SOUND`, by id, of clips of which little is heard.
    """

    inputs: dict[str, Tensor]
    texts: list[str]
    failures: list[str]
    odd: dict[str, tuple[str, ...]]


class StepBatches(Sampler[list[int]]):
    """Sampler of the clips a rank trains on in each step: a new order per epoch, starting at any step.

    All ranks share one stream of clips, from which each step takes `batch_size` clips per rank. It depends
    only on the seed, so a resumed training continues with the next clips.

    Args:
        num_clips: number of training clips.
        batch_size: clips per step on each rank.
        seed: seed of the orders.
        rank, world_size: of this process.
        first: the first step to run, from 0.
        num_steps: number of steps of the whole training.
    """

    def __init__(
        self,
        num_clips: int,
        batch_size: int,
        seed: int,
        rank: int,
        world_size: int,
        first: int,
        num_steps: int,
    ) -> None:
        self.num_clips = num_clips
        self.batch_size = batch_size
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.steps = range(first, num_steps)

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[list[int]]:
        orders: dict[int, list[int]] = {}
        for step in self.steps:
            begin = (step * self.world_size + self.rank) * self.batch_size
            batch = []
            for place in range(begin, begin + self.batch_size):
                epoch, position = divmod(place, self.num_clips)
                if epoch not in orders:
                    orders = {kept: orders[kept] for kept in orders if kept >= epoch - 1}
                    orders[epoch] = self._order(epoch)
                batch.append(orders[epoch][position])
            yield batch

    def _order(self, epoch: int) -> list[int]:
        order = list(range(self.num_clips))
        random.Random(stable_number(self.seed, "epoch", epoch)).shuffle(order)
        return order


class TextDataModule(LightningDataModule):
    """A task's clips for training and validation.

    Args:
        settings: see `TextSettings`.
        seed: seed of the order of clips.

    Attributes:
        train, validation: the clips, after `prepare`.
        preparer: makes the model's inputs; set it before requesting a loader.
        first, num_steps: the training steps to run, from `first` up to `num_steps`; set them likewise.
    """

    def __init__(self, settings: TextSettings, seed: int) -> None:
        super().__init__()
        self.settings = settings
        self.seed = seed
        self.preparer: Preparer | None = None
        self.first = self.num_steps = 0
        self.train: list[TextClip] = []
        self.validation: list[TextClip] = []

    def prepare(self) -> None:
        """Read the lists, before any model is loaded.

        Raises:
            DataError: a list or file is missing or invalid, or a clip is in both sets.
        """
        s = self.settings
        if s.val_manifest is None:
            rows = self._read(s.manifest)
            self.train = [one for one in rows if one.clip.split in _TRAIN]
            self.validation = [one for one in rows if one.clip.split in _VALIDATION]
        else:
            self.train, self.validation = self._read(s.manifest), self._read(s.val_manifest)
        if not self.train:
            raise DataError(f"{s.manifest}: has no clip with the split `train`.")
        heard = {one.clip.path for one in self.train}
        both = [one.clip.path for one in self.validation if one.clip.path in heard]
        if both:
            raise DataError(f"{both[0]} is a training clip and a validation clip; remove it from one list.")
        for one in [*self.train, *self.validation]:
            if not one.clip.path.is_file():
                raise DataError(f"{one.clip.path}: no such file.")

    def train_dataloader(self) -> DataLoader[Any]:
        """Return a loader of this rank's clips for the steps to run."""
        rank, size = self._place()
        batches = StepBatches(
            len(self.train), self.settings.batch_size, self.seed, rank, size, self.first, self.num_steps
        )
        return self._loader(self.train, batches)

    def val_dataloader(self) -> DataLoader[Any] | list[Any]:
        """Return a loader of this rank's validation clips, each once over all ranks."""
        rank, size = self._place()
        mine, width = list(range(rank, len(self.validation), size)), self.settings.batch_size
        batches = [mine[start : start + width] for start in range(0, len(mine), width)]
        return self._loader(self.validation, batches) if batches else []

    def transfer_batch_to_device(self, batch: TextBatch, device: Any, dataloader_idx: int) -> TextBatch:
        """Move the batch's tensors."""
        inputs = {name: tensor.to(device, non_blocking=True) for name, tensor in batch.inputs.items()}
        return TextBatch(inputs, batch.texts, batch.failures, batch.odd)

    def _place(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)

    def _loader(self, clips: list[TextClip], batches: Any) -> DataLoader[Any]:
        assert self.preparer is not None
        s, preparer = self.settings, self.preparer
        rule = MediaRule(preparer.sample_rate, preparer.max_seconds, s.long_clips, None, s.decode_seconds)
        queries = [Query(one.clip, -1, s.question, ()) for one in clips]
        return DataLoader(
            ClipDataset(queries, rule),
            batch_sampler=batches,
            collate_fn=TextCollator(clips, s.question, preparer),
            num_workers=s.num_workers,
        )

    def _read(self, manifest: str) -> list[TextClip]:
        s, path = self.settings, Path(manifest).expanduser()
        paths = ManifestPaths(Path(s.root).expanduser() if s.root else path.parent, s.allow_outside)
        clips = []
        for row in read_rows(path):
            file = paths.find(
                one_text(row.values, column_of(s.path_column, PATH_COLUMNS, row, "path"), row.where),
                row.where,
                other_machine=False,
            )
            text_column = column_of(s.text_column, TEXT_COLUMNS, row, "text")
            text = one_text(row.values, text_column, row.where)
            split = one_text(row.values, s.split_column, row.where).lower()
            clips.append(TextClip(Clip(paths.id_of(file), file, (), (), split=split), text))
        if not clips:
            raise DataError(f"{path}: lists no clips.")
        return clips


class TextCollator:
    """Collator of decoded clips into a `TextBatch`.

    Args:
        clips: of the data set, with their expected answers.
        question: the text in every prompt.
        preparer: makes the model's inputs.
    """

    def __init__(self, clips: Sequence[TextClip], question: str, preparer: Preparer) -> None:
        self.clips = clips
        self.question = question
        self.preparer = preparer

    def __call__(self, items: Sequence[Item]) -> TextBatch:
        """Collate items of a `ClipDataset`."""
        raise_faults(items)
        texts = [self.clips[index].text for index, _ in items]
        failures = [item.reason for _, item in items if isinstance(item, Failure)]
        heard = {index: item.sound for index, item in items if isinstance(item, Media)}
        sound = [heard[index].windows[0] for index, _ in items if index in heard]
        odd = {self.clips[index].clip.id: one.odd for index, one in heard.items() if one.odd}
        asked = [self.question] * len(sound)
        inputs = {} if failures else self.preparer(sound, asked, any_level=any_loud(heard.values()))
        return TextBatch(inputs, texts, failures, odd)
