"""Encode a split on this rank: count its clips and keep their vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from calm_pl.data.loading.batches import Batch
from calm_pl.data.questions.task import Task
from calm_pl.distributed import concatenate_over_ranks
from calm_pl.evaluation.clip_counts import STOP, Account, Coverage, SkipPolicy
from calm_pl.evaluation.encoding import Encoded, Encoder, encode, without_bad
from calm_pl.evaluation.kept import HEADS_ONLY, Kept
from calm_pl.evaluation.labelled import Labelled, label_clips
from calm_pl.evaluation.support_store import SupportStore
from calm_pl.models import DeferredLALM, FrozenLALM
from calm_pl.pseudo.fitting import Held
from calm_pl.pseudo.sampling import RolloutSampler


class Collector:
    """Encoder of the batches of one split that counts their clips and keeps the vectors.

    Args:
        lalm: the frozen model.
        task: classes and questions.
        split: `support` or `query`.
        scored_by: how options are scored in each pass; see `option_scores`.
        policy: for clips that cannot be read.
        keep: what to encode besides head vectors.
        sampler: also samples answers in each pass; None samples none.

    Attributes:
        keeps: what is encoded besides head vectors.
        index: positions of the clips whose vectors are kept on this rank.
    """

    def __init__(
        self,
        lalm: FrozenLALM | DeferredLALM,
        task: Task,
        split: str,
        scored_by: str = "letters",
        policy: SkipPolicy = STOP,
        keep: Kept = HEADS_ONLY,
        sampler: RolloutSampler | None = None,
    ) -> None:
        self.lalm = lalm
        self.task = task
        self.split = split
        self.policy = policy
        self.keeps = keep
        self._how = (scored_by, task.shown, keep, sampler)
        self._data: Any = None
        self._account = Account((), policy)
        self._store = SupportStore(None)
        self._num_rows = 0

    def begin(self, trainer: Any) -> None:
        """Start an epoch: reset counts and vectors."""
        questions = self.task.support if self.split == "support" else self.task.query
        self._data = getattr(trainer, "datamodule", None)  # None if a user's Trainer has loaders without a
        # data module
        link = None if self._data is None else self._data.bank
        self._account = Account(questions, self.policy)
        self._store = SupportStore(None if link is None else link.bank.folder)

    def encode(self, batch: Batch) -> Encoded | None:
        """Encode a batch; return None if none of its clips could be read.

        Raises:
            BadClipError: a clip could not be read, and none may fail.
            DataError: more failed than may.
        """
        self._account.add(batch)
        if not len(batch.index_N):
            return None
        readable = len(batch.failures)
        if self._data is None:
            encoded = without_bad(batch, encode(self.lalm, batch, *self._how))
        else:
            encoder = Encoder(self.lalm, self._data.bank, *self._how)
            encoded = encoder(batch, self._data.loaders[self.split].remake)
        self._account.lose(batch.failures[readable:])
        if not len(batch.index_N):
            return None
        self._account.add_notes(batch.index_N.tolist(), encoded.notes)
        return encoded

    def keep(self, batch: Batch, encoded: Encoded) -> None:
        """Keep the vectors of a batch."""
        self._store.add(batch.index_N, encoded.vectors_NHD)

    def finish(self, device: torch.device) -> Coverage:
        """Return the counts over all ranks; every rank must call this.

        Raises:
            RunError: a question was seen twice or never.
        """
        self._num_rows = max(concatenate_over_ranks([self._store.num_rows]))
        self._device = device
        return self._account.over_ranks(device)

    @property
    def index(self) -> list[int]:
        """Positions of the clips whose vectors are kept on this rank, in the order of `rows`."""
        return self._store.index

    def rows(self, rows: Sequence[int]) -> torch.Tensor:
        """Return kept vectors by their places in `index`, (n, H, D); what else is kept follows the heads."""
        nothing = torch.empty(0, self._num_rows, self.lalm.layout.head_dim, device=self._device)
        return self._store.vectors(rows, nothing)

    def held(self, positions: Sequence[int]) -> Held:
        """Return the vectors of those of the given questions that are on this rank."""
        wanted = set(positions)
        rows = [row for row, position in enumerate(self.index) if position in wanted]
        return Held(self.rows(rows), [self.index[row] for row in rows])

    def labelled(self, positions: Sequence[int]) -> Labelled:
        """Return these vectors with their true labels."""
        held = self.held(positions)
        return label_clips(self.task, held.vectors_NHD, held.positions)

    def close(self) -> None:
        """Release the vectors; tensors already returned remain valid."""
        self._store.close()
