"""From questions to batches: what the bank has, what is decoded, in which batches, on which rank."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, get_worker_info

from calm_pl.data.loading.answered import AnswerLink
from calm_pl.data.loading.balance import DealtBatches, batches_by_length, heard_seconds
from calm_pl.data.loading.banked import BankLink, look_up
from calm_pl.data.loading.batches import Batch, ClipDataset, Collator, Item, MediaRule
from calm_pl.data.loading.shared_memory import wait_for_room
from calm_pl.data.questions.clips import Query
from calm_pl.data.settings import DataSettings, usual_batch
from calm_pl.errors import CalmError
from calm_pl.models.preparer import Preparer

_BANKED_AT_ONCE = 256


class BatchLoader(DataLoader[Any]):
    """Loader that re-raises errors of decoding processes without their tracebacks."""

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """Yield batches.

        Raises:
            CalmError: a process that decodes met it.
        """
        for batch in super().__iter__():
            if isinstance(batch, CalmError):
                raise batch
            yield batch


class HandedOver:
    """Collator that ensures that the batch fits into shared memory."""

    def __init__(self, collate: Collator) -> None:
        self._collate = collate

    def __call__(self, items: Sequence[Item]) -> Batch | CalmError:
        """Return the batch; in a process that decodes, an error is a value too."""
        try:
            batch = self._collate(items)
            wait_for_room(batch)
        except CalmError as error:
            if get_worker_info() is None:
                raise
            return error
        return batch


def workers_of(settings: DataSettings, with_pictures: bool, ranks: int, cores: int) -> int:
    """Return how many processes decode on a rank: as configured, or by what there is to decode.

    A clip's sound takes 10 to 40 ms of a core, with 8 frames up to 300 ms; the model's own process needs one.

    Args:
        settings: with `num_workers`; None leaves it to this function.
        with_pictures: whether frames are decoded too.
        ranks: that share the cores.
        cores: that this process may use.
    """
    if settings.num_workers is not None:
        return settings.num_workers
    own = cores // max(1, ranks) - 1
    return max(2, min(8 if with_pictures else 4, own))


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return os.cpu_count() or 1


class Ahead(NamedTuple):
    """Clips that are about to be encoded.

    Attributes:
        questions: number of them, on all ranks.
        seconds: length of the longest, as the model hears it.
        device: of this rank.
        ranks: number of processes.
    """

    questions: int
    seconds: float
    device: torch.device
    ranks: int


BatchRule = Callable[[Ahead], int]
"""A function that returns how many clips a forward pass should take on this rank."""


class QuestionLoader:
    """Loader of a list of questions. Every rank must create it: they look up the bank together.

    Args:
        queries: the questions.
        rule: how files are read.
        preparer: makes the model's inputs.
        settings: sizes of batches, processes that decode.
        max_rows: windows a forward pass, (1,) int64 in shared memory.
        link: the bank; None without one.
        answers: where sampled answers are kept; a question that lacks them is decoded too. None where none
            are sampled.

    Attributes:
        num_banked: questions of which the bank holds all there is to know.
        batch_size: clips per forward pass: that of the settings, unless a job decides.
    """

    def __init__(
        self,
        queries: list[Query],
        rule: MediaRule,
        preparer: Preparer,
        settings: DataSettings,
        max_rows: Tensor,
        link: BankLink | None,
        answers: AnswerLink | None = None,
    ) -> None:
        self.queries = queries
        self.rule = rule
        self.settings = settings
        self.max_rows = max_rows
        known = look_up(link, queries, rule, preparer.prompt) if link else None
        self._banked = known.present if known else frozenset()
        if known and answers:
            self._banked &= answers.present(queries, known.keys)
        self._collate = Collator(queries, preparer, max_rows, known.keys if known else None)
        self.num_banked = len(self._banked)
        self.batch_size = usual_batch(settings)

    @cached_property
    def _fresh(self) -> tuple[list[int], list[float]]:
        """Positions of the questions to decode, and how long the model hears each clip."""
        fresh = [n for n in range(len(self.queries)) if n not in self._banked]
        return fresh, heard_seconds([self.queries[n].clip for n in fresh], self.rule)

    def ahead(self, device: torch.device, ranks: int) -> Ahead:
        """Return what is to be encoded."""
        fresh, seconds = self._fresh
        return Ahead(len(fresh), min(max(seconds, default=0.0), self.rule.max_seconds), device, ranks)

    def batches(self) -> list[list[int]]:
        """Return positions of all ranks' batches: those to decode, longest clips first, then cached ones."""
        fresh, seconds = self._fresh
        batches = [
            [fresh[n] for n in batch]
            for batch in batches_by_length(seconds, self.batch_size, self.settings.batch_seconds)
        ]
        banked = sorted(self._banked)
        return batches + [banked[n : n + _BANKED_AT_ONCE] for n in range(0, len(banked), _BANKED_AT_ONCE)]

    def loader(self, rank: int, world_size: int) -> DataLoader[Any]:
        """Return a loader of a rank's batches."""
        workers = workers_of(self.settings, self.rule.frames is not None, world_size, usable_cores())
        return BatchLoader(
            ClipDataset(self.queries, self.rule, self._banked),
            batch_sampler=DealtBatches(self.batches(), rank, world_size),
            collate_fn=HandedOver(self._collate),
            num_workers=0 if self.num_banked == len(self.queries) else workers,
        )

    def remake(self, positions: Sequence[int], max_rows: int | None = None) -> Batch:
        """Return a batch of these questions, decoded in this process.

        Args:
            positions: in the list.
            max_rows: from now on, the most windows a forward pass.
        """
        if max_rows is not None:
            # Batches that were collated before the limit fell must not raise it again.
            self.max_rows[0] = min(int(self.max_rows[0]), max_rows)
        data = ClipDataset(self.queries, self.rule)
        try:
            return self._collate(data.__getitems__(list(positions)))
        finally:
            data.decoder.close()
