"""The additional pass over the query set for `voter.select=oracle` and transductive methods."""

from __future__ import annotations

import time

from lightning.pytorch import LightningModule

from calm_pl.data.loading.base import FewShotDataModule
from calm_pl.data.loading.batches import Batch
from calm_pl.evaluation.encoding import EncodingPass
from calm_pl.evaluation.module import FitFreeModule


class OraclePass(LightningModule):
    """Module whose `trainer.test` lets contenders see the whole query set before they predict any of it.

    Args:
        fitted: the module, after validation.
    """

    def __init__(self, fitted: FitFreeModule) -> None:
        super().__init__()
        self.fitted = fitted
        self.task = fitted.task
        self._searching = [one for one in fitted.contenders if one.searches_query]

    @property
    def is_needed(self) -> bool:
        """Whether any contender needs the whole query set first."""
        return bool(self._searching)

    def on_test_epoch_start(self) -> None:
        """Start counting clips and time."""
        self._started = time.perf_counter()
        self.fitted.query.begin(self.trainer)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Show each contender the batch, in every round."""
        encoded = self.fitted.query.encode(batch)
        if encoded is None:
            return
        for rows, query in self.fitted.round_queries(batch, encoded):
            for one in self._searching:
                one.search(query, batch.label_N[rows])

    def on_test_epoch_end(self) -> None:
        """Let the contenders choose."""
        for one in self._searching:
            one.choose()
        data: FewShotDataModule | None = getattr(self.trainer, "datamodule", None)
        banked = data.loaders["query"].num_banked if data else 0
        self.fitted.query_search = EncodingPass(banked, time.perf_counter() - self._started)
