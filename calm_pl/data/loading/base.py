"""The data module around any benchmark: from its questions to loaders of support and query."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader

from calm_pl.data.benchmark import Benchmark
from calm_pl.data.loading.answered import AnswerLink
from calm_pl.data.loading.banked import BankLink
from calm_pl.data.loading.batches import Batch, MediaRule
from calm_pl.data.loading.loaders import BatchRule, QuestionLoader
from calm_pl.data.questions.clips import Clip, Listing, Query, Round
from calm_pl.data.questions.prepared import Listed, list_clips, prepare
from calm_pl.data.questions.task import Task
from calm_pl.data.settings import AUTO, usual_batch
from calm_pl.distributed import concatenate_over_ranks
from calm_pl.errors import DataError, ModelError
from calm_pl.media import FrameRule
from calm_pl.models.preparer import Preparer


class FewShotDataModule(LightningDataModule):
    """Support clips of a benchmark as the validation set, query clips as the test set.

    Args:
        benchmark: whose files are read, such as `ESC50(settings)`.
        preparer: the model's sound format and how to make its inputs; may be set later, before a loader
            is asked for.

    Attributes:
        settings: the benchmark's.
        classes: labels in class order, after `prepare`.
        listing, missing: see `Listed`; the listing is None before `read`.
        support, query, rounds: see `Prepared`.
        notes: what a reader of the results must know about the data, a sentence each.
        bank: where head vectors are kept; set by the job, with the preparer. None computes all of them.
        answers: where sampled answers about the support are kept; set by the job where it samples them.
        loaders: by split, `support` and `query`, once its loader was asked for.
        batch_rule: decides on `batch_size=auto`; set by the job. None takes 8 clips.
        batch_sizes: clips per forward pass, by split, where any had to be decoded.
        max_rows: windows per forward pass, (1,) int64 in shared memory; lowered where memory runs out.
    """

    def __init__(self, benchmark: Benchmark, preparer: Preparer | None = None) -> None:
        super().__init__()
        self.benchmark = benchmark
        self.settings = benchmark.settings
        self.preparer = preparer
        self.root = benchmark.root
        self.classes: tuple[str, ...] = ()
        self.listing: Listing | None = None
        self.support: list[Query] = []
        self.query: list[Query] = []
        self.rounds: list[Round] = []
        self.missing: list[Clip] = []
        self.notes: list[str] = []
        self.bank: BankLink | None = None
        self.answers: AnswerLink | None = None
        self.loaders: dict[str, QuestionLoader] = {}
        self.batch_rule: BatchRule | None = None
        self.batch_sizes: dict[str, int] = {}
        self._limit: int | None = None
        self._passes_of = usual_batch(self.settings)
        self.max_rows = torch.tensor([self._passes_of]).share_memory_()

    def read(self) -> Listing:
        """Read which clips there are. Doing it twice changes nothing.

        Raises:
            DataError: a wrong root, a bad list, missing files and the like.
        """
        if self.listing is None:
            self.listing, self.missing, self.notes = list_clips(self.benchmark)
        return self.listing

    def prepare(self) -> None:
        """Read, draw, ask and check, before any model is loaded. Doing it twice changes nothing.

        Raises:
            DataError: a wrong root, an empty class, a leak, missing files and the like.
        """
        if self.classes:
            return
        listing = self.read()
        found = prepare(self.benchmark, Listed(listing, self.missing, self.notes))
        self.support, self.query, self.rounds = found.support, found.query, found.rounds
        self.notes, self.classes = [*self.notes, *found.notes], listing.classes

    def task(self) -> Task:
        """Return what a `FitFreeModule` must know about the data, after `prepare`."""
        b = self.benchmark
        return Task(
            self.classes,
            tuple(self.support),
            tuple(self.query),
            tuple(self.rounds),
            b.multi_label,
            None if b.positive is None else self.classes.index(b.positive),
            self.settings.candidates == "options",
            b.by_subset,
            self.settings.readable_labels,
        )

    def setup(self, stage: str | None = None) -> None:
        """Prepare on every rank (Lightning's hook)."""
        self.prepare()

    def val_dataloader(self) -> DataLoader[Any]:
        """Return a loader of this rank's support clips."""
        return self._loader("support", self.support)

    def test_dataloader(self) -> DataLoader[Any]:
        """Return a loader of this rank's query clips."""
        return self._loader("query", self.query)

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
        if self.loaders[split].num_banked < len(queries):
            self._size_batches(split, world_size)
        return self.loaders[split].loader(rank, world_size)

    def _size_batches(self, split: str, world_size: int) -> None:
        """Decide how many clips a pass takes; every rank must call this, and all take the same."""
        loader = self.loaders[split]
        if self.settings.batch_size == AUTO and self.batch_rule is not None and self.trainer is not None:
            ahead = loader.ahead(self.trainer.strategy.root_device, world_size)
            loader.batch_size = min(concatenate_over_ranks([self.batch_rule(ahead)]))
        self.batch_sizes[split] = loader.batch_size
        if int(self.max_rows[0]) < self._passes_of:  # memory ran out
            self._limit = int(self.max_rows[0])
        self._passes_of = loader.batch_size if self._limit is None else min(loader.batch_size, self._limit)
        self.max_rows[0] = self._passes_of

    def media_rule(self, preparer: Preparer) -> MediaRule:
        """Return how a model needs the clips to be read.

        Raises:
            ModelError: the data have pictures and the model takes none.
            DataError: a rule for long clips that pictures do not allow.
        """
        s = self.settings
        frames = None
        if self.benchmark.modality == "video":
            if "video" not in preparer.modalities:
                raise ModelError(
                    f"{self.benchmark.facts.title} has pictures, but the model takes"
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
        """Move the batch's tensors; its failures are strings."""
        return batch.to(device)
