"""The base of all data modules: from a split on disk to loaders of support and query."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader

from calm_pl.assets import resolve
from calm_pl.data.batches import Batch, ClipDataset, Collator
from calm_pl.data.clips import Clip, Query, Split
from calm_pl.data.draws import draw_support
from calm_pl.data.leaks import refuse_leaks
from calm_pl.data.prompts import Questioner
from calm_pl.data.sampler import ExactlyOnceBatches
from calm_pl.data.settings import DataSettings
from calm_pl.errors import DataError
from calm_pl.models.preparer import Preparer

_SHOWN = 5


class FewShotDataModule(LightningDataModule, ABC):
    """Support clips as the validation set, query clips as the test set.

    A benchmark subclasses it with a question, a layout and `read_split`.

    Args:
        settings: see `DataSettings`.
        preparer: the model's sound format and how to make its inputs; may be set later, before a loader
            is asked for.

    Attributes:
        classes: labels in class order, after `prepare`.
        support: questions about the support clips.
        query: questions about the query clips.
    """

    default_question: ClassVar[str] = "What caption does the given audio belong to?"
    layout: ClassVar[str]
    """What lies below the root, for error messages."""

    def __init__(self, settings: DataSettings, preparer: Preparer | None = None) -> None:
        super().__init__()
        self.settings = settings
        self.preparer = preparer
        self.root = Path(resolve(settings.root))
        self.classes: tuple[str, ...] = ()
        self.support: list[Query] = []
        self.query: list[Query] = []
        self.note: str | None = None

    @abstractmethod
    def read_split(self) -> Split:
        """Read the official files below `root` and divide their clips as `settings.fold` says."""

    def official_note(self, split: Split) -> str | None:
        """What is missing against the official data set, in a line; None where nothing is."""
        return None

    @property
    def question(self) -> str:
        """Text before the options."""
        return self.settings.question or self.default_question

    def prepare(self) -> None:
        """Read, draw, ask and check, before any model is loaded. Doing it twice changes nothing.

        Raises:
            DataError: a wrong root, an empty class, a leak, missing files and the like.
        """
        if self.classes:
            return
        split = self.read_split()
        classes = tuple(split.classes)
        if len(classes) < 2:
            raise DataError(f"{self.root} has {len(classes)} classes; a benchmark needs 2 or more.")
        support = draw_support(split.pool, classes, self.settings.shots, self.settings.seed)
        if not split.query:
            raise DataError(f"{self.root} has no query clip.")
        lacking = sorted({clip.label for clip in split.query} - set(classes))
        if lacking:
            raise DataError(f"The query has classes that the support lacks: {', '.join(lacking)}.")
        refuse_leaks(support, split.query)
        if self.settings.on_bad_clip == "stop":
            _refuse_missing([*support, *split.query])
        ask = Questioner(
            classes,
            self.question,
            self.settings.n_options,
            self.settings.seed,
            self.settings.readable_labels,
        ).ask
        position = {label: i for i, label in enumerate(classes)}
        self.support = [ask(clip, position[clip.label]) for clip in support]
        self.query = [ask(clip, position[clip.label]) for clip in split.query]
        self.note = self.official_note(split)
        self.classes = classes

    def setup(self, stage: str | None = None) -> None:
        """Lightning's hook, on every rank."""
        self.prepare()

    def val_dataloader(self) -> DataLoader[Any]:
        """The support clips of this rank."""
        return self._loader(self.support)

    def test_dataloader(self) -> DataLoader[Any]:
        """The query clips of this rank."""
        return self._loader(self.query)

    def labels(self, queries: Sequence[Query]) -> list[int]:
        """Class index of each query."""
        position = {label: i for i, label in enumerate(self.classes)}
        return [position[query.clip.label] for query in queries]

    def _loader(self, queries: list[Query]) -> DataLoader[Any]:
        rank = self.trainer.global_rank if self.trainer else 0
        world_size = self.trainer.world_size if self.trainer else 1
        if self.preparer is None:
            raise RuntimeError("Set `preparer` first: a model says which sound and prompt it takes.")
        s = self.settings
        return DataLoader(
            ClipDataset(queries, self.preparer.sample_rate, self.preparer.max_seconds, s.long_clips),
            batch_sampler=ExactlyOnceBatches(len(queries), s.batch_size, rank, world_size),
            collate_fn=Collator(queries, self.labels(queries), self.preparer),
            num_workers=s.num_workers,
        )

    def transfer_batch_to_device(self, batch: Batch, device: Any, dataloader_idx: int) -> Batch:
        """Move the batch's tensors; its failures are text."""
        batch.inputs = {name: t.to(device, non_blocking=True) for name, t in batch.inputs.items()}
        batch.index_N = batch.index_N.to(device)
        batch.label_N = batch.label_N.to(device)
        batch.options_NO = batch.options_NO.to(device)
        return batch

    def require(self, relative: str) -> Path:
        """A file or folder that the layout needs.

        Raises:
            DataError: it is not there; says what is expected, and where it may be.
        """
        path = self.root / relative
        if path.exists():
            return path
        near = sorted(p.parents[relative.count("/")] for p in self.root.glob(f"*/{relative}"))
        hint = f" Did you mean {near[0]}?" if near else ""
        raise DataError(
            f"data.root is {str(self.root)!r}, but {relative} is not in it. Expected: {self.layout}.{hint}"
        )


def _refuse_missing(clips: Sequence[Clip]) -> None:
    missing = [str(clip.path) for clip in clips if not clip.path.is_file()]
    if missing:
        more = f"\n  and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        raise DataError(
            f"{len(missing)} of {len(clips)} clips are not on disk"
            " (data.on_bad_clip=skip goes on without them):\n  " + "\n  ".join(missing[:_SHOWN]) + more
        )
