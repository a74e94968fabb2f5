"""The base of all data modules: from a listing on disk to loaders of support and query."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader

from calm_pl.assets import resolve
from calm_pl.data.benchmarks.facts import Facts
from calm_pl.data.loading.answered import AnswerLink
from calm_pl.data.loading.banked import BankLink
from calm_pl.data.loading.batches import Batch, MediaRule
from calm_pl.data.loading.loaders import QuestionLoader
from calm_pl.data.questions.clips import Clip, Listing, Query, Round
from calm_pl.data.questions.prompts import Questioner
from calm_pl.data.questions.rounds import divide, make_plan
from calm_pl.data.questions.task import Task
from calm_pl.data.settings import DataSettings
from calm_pl.errors import DataError, ModelError
from calm_pl.media import FrameRule
from calm_pl.models.preparer import Preparer

_SHOWN = 5


class FewShotDataModule(LightningDataModule, ABC):
    """Support clips as the validation set, query clips as the test set.

    A benchmark subclasses it with its `facts`, a question and `read`.

    Args:
        settings: see `DataSettings`.
        preparer: the model's sound format and how to make its inputs; may be set later, before a loader
            is asked for.

    Attributes:
        classes: labels in class order, after `prepare`.
        support: questions about support and held-out clips, of all rounds.
        query: questions about query clips, of all rounds.
        rounds: which of them belong to each fold and draw.
        missing: clips that are listed but not on disk.
        bank: where head vectors are kept; set by the job, with the preparer. None computes all of them.
        answers: where sampled answers about the support are kept; set by the job where it samples them.
        loaders: by split, `support` and `query`, once its loader was asked for.
        max_rows: windows a forward pass, (1,) int64 in shared memory; lowered where memory runs out.
        notes: what a reader of the results must know about the data, a sentence each.
    """

    facts: ClassVar[Facts]
    default_question: ClassVar[str] = "What caption does the given audio belong to?"
    modality: str = "audio"
    """`audio`, or `video` for frames with their sound."""
    multi_label: bool = False
    """Whether a clip has several labels; it is then asked about each of them."""
    positive: ClassVar[str | None] = None
    """The class whose score an equal error rate is computed from, in two-class sets."""
    by_subset: ClassVar[str | None] = None
    """What a clip's `subset` is, such as "attack"; results are then broken down by it."""
    own_data: ClassVar[bool] = False
    """Whether the clips are the user's own: then none of them may be missing."""

    def __init__(self, settings: DataSettings, preparer: Preparer | None = None) -> None:
        super().__init__()
        self.settings = settings
        self.preparer = preparer
        self.root = Path(resolve(settings.root))
        self.classes: tuple[str, ...] = ()
        self.support: list[Query] = []
        self.query: list[Query] = []
        self.rounds: list[Round] = []
        self.missing: list[Clip] = []
        self.notes: list[str] = []
        self.bank: BankLink | None = None
        self.answers: AnswerLink | None = None
        self.loaders: dict[str, QuestionLoader] = {}
        self.max_rows = torch.tensor([settings.batch_size]).share_memory_()

    @abstractmethod
    def read(self) -> Listing:
        """Read the official files below `root`: every clip that they list, whether its file is there or not.

        Raises:
            DataError: files that are not there or not as they should be.
        """

    @property
    def question(self) -> str:
        """Text before the options."""
        given = self.settings.question
        return self.default_question if given is None else given

    def prepare(self) -> None:
        """Read, draw, ask and check, before any model is loaded. Doing it twice changes nothing.

        Raises:
            DataError: a wrong root, an empty class, a leak, missing files and the like.
        """
        if self.classes:
            return
        s = self.settings
        listing = self._on_disk(self.read())
        if len(listing.classes) < 2:
            raise DataError(f"{self.root} has {len(listing.classes)} classes; a benchmark needs 2 or more.")
        ask = Questioner(
            listing.classes, self.question, s.n_options, s.seed, s.readable_labels, s.option_orders
        )
        plan = make_plan(list(divide(listing, s)), listing.classes, ask, s, take_fewer=bool(self.missing))
        if plan.short:
            few = ", ".join(f"{label} {count}" for label, count in list(plan.short.items())[:_SHOWN])
            self.notes.append(f"{len(plan.short)} classes have fewer support clips than asked: {few}")
        if s.leak_guard == "none":
            self.notes.append("the leak guard was off")
        self.support, self.query, self.rounds = plan.support, plan.query, plan.rounds
        self.classes = listing.classes

    def task(self) -> Task:
        """What a `FitFreeModule` must know about the data, after `prepare`."""
        return Task(
            self.classes,
            tuple(self.support),
            tuple(self.query),
            tuple(self.rounds),
            self.multi_label,
            None if self.positive is None else self.classes.index(self.positive),
            self.settings.candidates == "options",
            self.by_subset,
            self.settings.readable_labels,
        )

    def setup(self, stage: str | None = None) -> None:
        """Lightning's hook, on every rank."""
        self.prepare()

    def val_dataloader(self) -> DataLoader[Any]:
        """The support clips of this rank."""
        return self._loader("support", self.support)

    def test_dataloader(self) -> DataLoader[Any]:
        """The query clips of this rank."""
        return self._loader("query", self.query)

    def _on_disk(self, listing: Listing) -> Listing:
        """The listing without missing clips, which are noted, and without classes that have no clip left."""
        self.missing = [clip for clip in listing.clips if not _is_there(clip)]
        stop = self.own_data if self.settings.on_missing == "auto" else self.settings.on_missing == "stop"
        if self.missing and (stop or len(self.missing) == len(listing.clips)):
            raise DataError(_missing_files(self.missing, len(listing.clips), stop))
        gone = {clip.id for clip in self.missing}
        here = [clip for clip in listing.clips if clip.id not in gone]
        present = {label for clip in here for label in clip.labels}
        classes = tuple(label for label in listing.classes if label in present)
        self.notes += self.facts.compare(here, classes)
        if self.missing:
            self.notes.append(
                f"{len(self.missing):,} of {len(listing.clips):,} listed clips are not on disk (missing.csv)"
            )
        return listing._replace(classes=classes, clips=here)

    def _loader(self, split: str, queries: list[Query]) -> DataLoader[Any]:
        if self.preparer is None:
            raise RuntimeError("Set `preparer` first: a model says which sound and prompt it takes.")
        rule = self.media_rule(self.preparer)
        self.loaders[split] = QuestionLoader(
            queries,
            rule,
            self.preparer,
            self.settings,
            self.max_rows,
            self.bank,
            self.answers if split == "support" else None,
        )
        rank = self.trainer.global_rank if self.trainer else 0
        world_size = self.trainer.world_size if self.trainer else 1
        return self.loaders[split].loader(rank, world_size)

    def media_rule(self, preparer: Preparer) -> MediaRule:
        """How a model wants the clips read.

        Raises:
            ModelError: the data have pictures and the model takes none.
            DataError: a rule for long clips that pictures do not allow.
        """
        s = self.settings
        frames = None
        if self.modality == "video":
            if "video" not in preparer.modalities:
                raise ModelError(
                    f"{self.facts.title} has pictures, but the model takes"
                    f" {' and '.join(preparer.modalities)} only; choose one that sees, such as"
                    " Qwen2.5-Omni, or the audio benchmark of the same clips."
                )
            if s.long_clips not in ("start", "stop"):
                raise DataError(
                    f"data.long_clips is {s.long_clips!r}, but clips with pictures can only be cut at their"
                    " end: set it to `start` or `stop`."
                )
            v = s.video
            fixed = None if v.fps is not None else v.num_frames
            frames = FrameRule(fixed, v.fps, v.max_frames, v.short_side)
        return MediaRule(preparer.sample_rate, preparer.max_seconds, s.long_clips, frames, s.decode_seconds)

    def transfer_batch_to_device(self, batch: Batch, device: Any, dataloader_idx: int) -> Batch:
        """Move the batch's tensors; its failures are text."""
        return batch.to(device)

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
            f"data.root is {str(self.root)!r}, but {relative} is not in it."
            f" Expected: {self.facts.layout}.{hint}"
        )


def _is_there(clip: Clip) -> bool:
    return clip.path.is_file() and (clip.video is None or clip.video.is_file())


def _missing_files(missing: Sequence[Clip], total: int, stop: bool) -> str:
    shown = [str(clip.video if clip.path.is_file() else clip.path) for clip in missing[:_SHOWN]]
    more = f"\n  and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
    hint = " (data.on_missing=skip goes on without them)" if stop and len(missing) < total else ""
    return f"{len(missing)} of {total} clips are not on disk{hint}:\n  " + "\n  ".join(shown) + more
