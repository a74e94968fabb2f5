"""The pass over the query set that `voter.select=oracle` takes before its results."""

from __future__ import annotations

from lightning.pytorch import LightningModule

from calm_pl.data.loading.batches import Batch
from calm_pl.distributed import sum_over_ranks
from calm_pl.evaluation.module import FitFreeModule
from calm_pl.methods.table import ORACLE_SUFFIX
from calm_pl.voters import HeadVoter


class OraclePass(LightningModule):
    """`trainer.test` on the query counts what each setting gets right; `extended` evaluates the best ones.

    Args:
        fitted: after validation, with `oracle`.
    """

    def __init__(self, fitted: FitFreeModule) -> None:
        super().__init__()
        self.fitted = fitted
        self.task = fitted.task

    def on_test_epoch_start(self) -> None:
        """Begin to count clips."""
        self.fitted.on_test_epoch_start()

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Judge every setting in every round."""
        if not len(batch.index_N):
            return
        encoded = self.fitted.encode(batch, "query")
        for number, rows in self.fitted.rounds_of(batch):
            for searches in self.fitted.searches.values():
                search = searches[number]
                search.update(
                    self.fitted.read_by(search.voter, encoded.vectors_NHD[rows]),
                    batch.label_N[rows],
                    self.fitted.candidates(batch.options_NO[rows]),
                )

    def extended(self) -> FitFreeModule:
        """The module with a method more for each search; every rank must call it."""
        chosen: dict[str, list[HeadVoter]] = {
            name + ORACLE_SUFFIX: [search.best(sum_over_ranks(search.hits_S)) for search in searches]
            for name, searches in self.fitted.searches.items()
        }
        return self.fitted.extended(chosen)
