"""The LightningModule around a frozen audio language model: validation fits and test evaluates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from calm_pl.data.loading.batches import Batch
from calm_pl.data.questions.clips import Round
from calm_pl.data.questions.task import Task
from calm_pl.errors import RunError
from calm_pl.evaluation.batch_prediction import confidence, explained, metric_sizes
from calm_pl.evaluation.clip_counts import STOP, Coverage, SkipPolicy
from calm_pl.evaluation.collect import Collector
from calm_pl.evaluation.contenders import Contender, FittedVoter, RoundQuery, RoundSupport, Source
from calm_pl.evaluation.encoding import Encoded, EncodingPass
from calm_pl.evaluation.kept import HEADS_ONLY, Kept
from calm_pl.evaluation.lineup import contenders
from calm_pl.evaluation.predictions import Predictions, method_differences, predicted_by
from calm_pl.evaluation.waiting import Waiting
from calm_pl.methods.table import ORACLE_SUFFIX
from calm_pl.metrics import Difference, MethodMetrics, MethodResults, PredictionTable, summarise
from calm_pl.models import DeferredLALM, FrozenLALM
from calm_pl.voters import HeadVoter


class FitFreeModule(LightningModule):
    """Training-free evaluation: `trainer.validate` on the support fits, `trainer.test` on the query scores.

    Args:
        lalm: the frozen model.
        methods: unfitted voters by name, which are evaluated together with zero-shot by option letters; or
            any contenders, see `calm_pl.evaluation.lineup.contenders`.
        task: classes, questions and rounds; see `FewShotDataModule.task`.
        policy: for clips that cannot be read.
        keep: what to encode besides head vectors even if no contender reads it; the bank's identity must
            agree.
        scored_by: how options are scored if no contender decides; see `option_scores`.
        sources: further sources to fit, besides those of the contenders.
        refit: also fit every voter on the support of all rounds together, for the classifier that is stored.

    Attributes:
        contenders: the contenders, in the order of the table.
        sources: the sources that they depend on.
        results: results by method, after test; printed, or shown in a notebook, they are a table.
        predictions: predictions of all methods, after test.
        support_coverage, query_coverage: counts of clips read, failed and truncated.
        query_search: the pass over the query on which settings are chosen, before test; None without one.
        ran_on: kind of device that batches were on; Lightning moves the module to the CPU at the end.
        warnings: sentences about figures, pages or dashboards that failed; results are not affected.
    """

    def __init__(
        self,
        lalm: FrozenLALM | DeferredLALM,
        methods: Mapping[str, HeadVoter] | Sequence[Contender],
        task: Task,
        policy: SkipPolicy = STOP,
        keep: Kept = HEADS_ONLY,
        scored_by: str = "letters",
        sources: Sequence[Source] = (),
        refit: bool = False,
    ) -> None:
        super().__init__()
        self.lalm = lalm
        self.task = task
        self.refit = refit and len(task.rounds) > 1
        self.contenders = list(contenders(methods, task) if isinstance(methods, Mapping) else methods)
        self.methods = [one.name for one in self.contenders]
        own = [one.source for one in self.contenders if one.source is not None]
        self.sources = list(dict.fromkeys([*sources, *own]))
        self._fitting: list[Source] = [*self.sources, *self.contenders]
        how = (
            next((one.scored_by for one in self.contenders if one.scored_by), scored_by),
            policy,
            keep | Kept.for_reads(one.reads for one in self.contenders),
        )
        sampler = next((one.sampler for one in self._fitting if one.sampler), None)
        self.support = Collector(lalm, task, "support", *how, sampler)
        self.query = Collector(lalm, task, "query", *how)
        sizes = metric_sizes(task, any(one.may_abstain for one in self.contenders))
        self.metrics = {name: [MethodMetrics(sizes) for _ in task.rounds] for name in self.methods}
        # Registered, so that Lightning moves them to the device.
        self._registered = nn.ModuleList(one for rounds in self.metrics.values() for one in rounds)
        self.table = PredictionTable(len(task.query), task.num_draws, len(self.methods))
        self.query_search: EncodingPass | None = None
        self.waiting = Waiting()
        self.ran_on = "cpu"
        self.results = MethodResults()
        self.warnings: list[str] = []
        self._differences: list[Difference] | None = None

    def setup(self, stage: str) -> None:
        """Refuse ranks that do not outlive a stage (Lightning's hook).

        Raises:
            RunError: Lightning starts the ranks anew for each stage, as `ddp_spawn` and notebooks do.
        """
        from lightning.pytorch.strategies.launchers import _MultiProcessingLauncher

        anew = isinstance(self.trainer.strategy.launcher, _MultiProcessingLauncher)
        if anew and self.trainer.world_size > 1:
            raise RunError(
                "Lightning would start the ranks anew for each stage (ddp_spawn, ddp_notebook), and the fit"
                " would be lost after all the encoding: use strategy='ddp' in a script, or devices=1."
            )

    @property
    def fitted(self) -> dict[str, list[HeadVoter]]:
        """Fitted voters that a classifier file can store, by method name, then by round."""
        return {one.name: one.fitted for one in self.contenders if one.fitted}

    @property
    def stored(self) -> dict[str, HeadVoter]:
        """Voters of the classifier that is stored: fitted on all rounds' support, or on that of the first."""
        return {name: self._of(name).refitted or rounds[0] for name, rounds in self.fitted.items()}

    @property
    def stored_support(self) -> tuple[int, ...]:
        """Positions of the support questions that `stored` was fitted on."""
        rounds = self.task.rounds if self.refit else self.task.rounds[:1]
        return tuple(sorted({position for one in rounds for position in one.support}))

    def _of(self, name: str) -> Contender:
        return next(one for one in self.contenders if one.name == name)

    # Support

    def on_validation_epoch_start(self) -> None:
        """Start with an empty support set."""
        for one in self._fitting:
            one.start()
        self.support.begin(self.trainer)
        self.ran_on = self.device.type
        self.waiting.begin()

    def on_validation_batch_start(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Time a batch."""
        self.waiting.arrive(decoded=not batch.banked)

    def on_validation_batch_end(self, *_: Any) -> None:
        """Time it."""
        self.waiting.leave()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Collect the head vectors of support clips; they stay on this rank."""
        encoded = self.support.encode(batch)
        if encoded is None:
            return
        if any(one.keeps_vectors for one in self._fitting):
            self.support.keep(batch, encoded)
        for one in self._fitting:
            one.collect(batch, encoded)

    def on_validation_epoch_end(self) -> None:
        """Fit every contender in every round; ranks exchange only sums and counts."""
        self.support_coverage: Coverage = self.support.finish(self.device)
        for one in self._fitting:
            one.settle()
        voters = [one.voter for one in self.contenders if isinstance(one, FittedVoter)]
        for number, of_task in enumerate(self.task.rounds):
            part = RoundSupport(number, of_task, self.support, self.device, voters)
            for one in self._fitting:
                one.fit(part)
        if self.refit:
            stored = Round("", 0, self.stored_support, (), ())
            whole = RoundSupport(0, stored, self.support, self.device, voters)
            for contender in self.contenders:
                contender.refit(whole)
        self.support.close()

    # Query

    def on_test_epoch_start(self) -> None:
        """Reset the metrics."""
        self.query.begin(self.trainer)
        self.ran_on = self.device.type
        self.waiting.begin()
        self.table.reset()
        self._differences = None
        for rounds in self.metrics.values():
            for metrics in rounds:
                metrics.reset()

    def on_test_batch_start(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Time a batch."""
        self.waiting.arrive(decoded=not batch.banked)

    def on_test_batch_end(self, *_: Any) -> None:
        """Time it."""
        self.waiting.leave()

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Score query clips with every contender from one forward pass."""
        encoded = self.query.encode(batch)
        if encoded is None:
            return
        index_N = batch.index_N.cpu().numpy()
        clip_N = torch.from_numpy(self.task.clip_Q[index_N]).to(batch.index_N.device)
        shape = (len(index_N), self.task.num_draws, len(self.methods))
        label_NDM = torch.zeros(shape, dtype=torch.int64, device=self.device)
        confidence_NDM = torch.zeros(shape, device=self.device)
        for rows, query in self.round_queries(batch, encoded):
            draw = self.task.rounds[query.number].draw
            for m, one in enumerate(self.contenders):
                with explained("The query cannot be scored"):
                    winner_n, proba_nC = one.predict(query)
                self.metrics[one.name][query.number].update(
                    winner_n, proba_nC, batch.label_N[rows], clip_N[rows], batch.index_N[rows]
                )
                label_NDM[rows, draw, m] = winner_n
                confidence_NDM[rows, draw, m] = confidence(winner_n, proba_nC)
        self.table.update(batch.index_N, label_NDM, confidence_NDM)

    def on_test_epoch_end(self) -> None:
        """Compute metrics over all ranks, after checking that every clip was counted once."""
        self.query_coverage: Coverage = self.query.finish(self.device)
        if self.query_coverage.used == 0:
            raise RunError("No query clip could be read: there is nothing to evaluate.")
        self.predictions = Predictions(*(state.cpu() for state in self.table.compute()))
        seen_Q = self.predictions.seen_Q
        if int(seen_Q.max()) > 1 or int(seen_Q.sum()) != self.query_coverage.used:
            raise RunError(
                f"{int(seen_Q.sum())} predictions for {self.query_coverage.used} questions about clips that"
                " were read: each must count exactly once."
            )
        self._refuse_empty_folds()
        for m, name in enumerate(self.methods):
            rounds = [metrics.result() for metrics in self.metrics[name]]
            draws = self.task.num_draws
            by_fold = [rounds[start : start + draws] for start in range(0, len(rounds), draws)]
            self.results[name] = summarise(by_fold, predicted_by(self.task, self.predictions, m))
            for metric in self.results.shown():
                # Already summed over all ranks.
                self.log(
                    f"test/{name}/{metric.key}", self.results[name].values[metric.key], rank_zero_only=True
                )

    def round_queries(self, batch: Batch, encoded: Encoded) -> Iterator[tuple[Tensor, RoundQuery]]:
        """Yield the rounds that a query batch belongs to, each with its rows."""
        fold_N = torch.from_numpy(self.task.fold_Q[batch.index_N.cpu().numpy()]).to(batch.index_N.device)
        for number, one in enumerate(self.task.rounds):
            rows = (fold_N == self.task.folds.index(one.fold)).nonzero().squeeze(1)
            if len(rows):
                voters = [rounds[number] for rounds in self.fitted.values()]
                yield rows, RoundQuery(number, rows, batch, encoded, self.task, self.query, voters)

    @property
    def differences(self) -> list[Difference]:
        """Differences between every pair of methods, after test, except oracles."""
        if self._differences is None:
            fair = [name for name in self.methods if not name.endswith(ORACLE_SUFFIX)]
            places = [self.methods.index(name) for name in fair]
            kept = self.predictions._replace(label_QDM=self.predictions.label_QDM[..., places])
            self._differences = method_differences(self.task, kept, fair)
        return self._differences

    def _refuse_empty_folds(self) -> None:
        answered = set(self.task.fold_Q[self.predictions.seen_Q.numpy() > 0].tolist())
        for number, fold in enumerate(self.task.folds):
            if number not in answered:
                raise RunError(f"No query clip of fold {fold!r} could be read: its results would be empty.")
