"""The LightningModule of a sweep: one pass encodes support and query, then every point is arithmetic."""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Callable, Sequence

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from calm_pl.data.loading.batches import Batch
from calm_pl.data.questions.clips import Round
from calm_pl.data.questions.task import Task
from calm_pl.distributed import concatenate_over_ranks, rank_and_size, sum_over_ranks
from calm_pl.errors import RunError
from calm_pl.evaluation.batch_prediction import BatchPrediction, explained, metric_sizes
from calm_pl.evaluation.clip_counts import STOP, Coverage, SkipPolicy
from calm_pl.evaluation.collect import Collector
from calm_pl.evaluation.encoding import Encoded
from calm_pl.metrics import MethodMetrics
from calm_pl.models import DeferredLALM, FrozenLALM
from calm_pl.sweeps.identity import point_hash, round_facts
from calm_pl.sweeps.points import LOO, Point
from calm_pl.sweeps.query import QueryClips
from calm_pl.sweeps.settings import VOTER_COLUMNS
from calm_pl.sweeps.table import Row, SweepTable, columns
from calm_pl.voters import HeadVoter, gather_support
from calm_pl.voters.many import fit_many, vote_many
from calm_pl.voters.placing import fit_device

_MOST_PROBABILITIES = 2**28  # the most probabilities held at once over all ranks: 1 GiB


class SweepModule(LightningModule):
    """Module that collects support (`trainer.validate`) and query (`trainer.test`), and computes all points.

    Ranks keep their own vectors and exchange only sums, as in `FitFreeModule`.

    Args:
        lalm: the frozen model.
        points: the points to compute, each with an unfitted voter; None for zero-shot.
        task: classes, questions and rounds; the rounds' support has the largest number of shots of any point.
        zero_shot: how options are scored, see `option_scores`.
        table: rows of earlier jobs and new rows; only rank 0 reads and writes it.
        on_points: called on rank 0 after each round with the number of points done.
        policy: for clips that cannot be read.

    Attributes:
        rows: all rows, after test; the same on every rank.
        notes: sentences about the data for the reader; set by the job.
        support_coverage, query_coverage: counts of clips read, failed and truncated.
    """

    def __init__(
        self,
        lalm: FrozenLALM | DeferredLALM,
        points: Sequence[tuple[Point, HeadVoter | None]],
        task: Task,
        zero_shot: str,
        table: SweepTable,
        on_points: Callable[[int], None],
        policy: SkipPolicy = STOP,
    ) -> None:
        super().__init__()
        self.lalm = lalm
        self.points = list(points)
        self.task = task
        self.zero_shot = zero_shot
        self.table = table
        self.on_points = on_points
        self.policy = policy
        self.rows: list[Row] = []
        self.notes: list[str] = []
        self.metrics = MethodMetrics(metric_sizes(task, may_abstain=zero_shot == "generate"))
        self._support = Collector(lalm, task, "support", zero_shot, policy)
        self._query = Collector(lalm, task, "query", zero_shot, policy)
        self._keys: dict[str, dict[int, str]] = {"support": {}, "query": {}}
        self._options: list[tuple[Tensor, Tensor]] = []

    def on_validation_epoch_start(self) -> None:
        """Start with an empty support."""
        self._keys["support"] = {}
        self._support.begin(self.trainer)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Collect support clips; their vectors stay on this rank."""
        self._collect(self._support, batch)

    def on_validation_epoch_end(self) -> None:
        """Count the support."""
        self.support_coverage: Coverage = self._support.finish(self.device)

    def on_test_epoch_start(self) -> None:
        """Start with an empty query."""
        self._keys["query"] = {}
        self._options = []
        self._query.begin(self.trainer)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Collect query clips; their vectors stay on this rank."""
        encoded = self._collect(self._query, batch)
        if encoded is not None:
            self._options.append((batch.options_NO, encoded.options_NO))

    def on_test_epoch_end(self) -> None:
        """Compute every point whose row is not in the table."""
        self.query_coverage: Coverage = self._query.finish(self.device)
        known = dict(
            concatenate_over_ranks(list(self.table.known().items()) if self.global_rank == 0 else [])
        )
        keys = {
            name: dict(concatenate_over_ranks(list(of_rank.items()))) for name, of_rank in self._keys.items()
        }
        for one in self.task.rounds:
            if keys["query"].keys().isdisjoint(one.query):
                where = f" of fold {one.fold!r}" if one.fold else ""
                raise RunError(f"No query clip{where} could be read: there is nothing to evaluate.")
        self.rows = []
        if self.global_rank == 0:
            self.on_points(0)  # starts the clock
        query = QueryClips(self.task, self._query, self._options)
        for one in self.task.rounds:
            query.turn_to(one.fold)
            for shots in dict.fromkeys(point.shots for point, _ in self.points):
                some = [(point, voter) for point, voter in self.points if point.shots == shots]
                self._compute(one, shots, some, query, keys, known)
        for collected in (self._support, self._query):
            collected.close()

    def _collect(self, collected: Collector, batch: Batch) -> Encoded | None:
        """Encode and keep a batch, with the keys of its clips in the bank."""
        encoded = collected.encode(batch)
        if encoded is not None:
            collected.keep(batch, encoded)
            self._keys[collected.split] |= dict(zip(batch.index_N.tolist(), batch.keys, strict=True))
        return encoded

    def _compute(
        self,
        one: Round,
        shots: int | None,
        points: Sequence[tuple[Point, HeadVoter | None]],
        query: QueryClips,
        keys: dict[str, dict[int, str]],
        known: dict[str, Row],
    ) -> None:
        """Compute those points of a round that share their support."""
        support = self._first(one.support, shots)
        used = [position for position in support if position in keys["support"]]
        facts = round_facts(self.task, self.zero_shot, one, used, keys)
        heads = self.lalm.layout.num_heads
        hashes = [point_hash(point, voter, facts, heads) for point, voter in points]
        # Several points may be the same: the configured setting may also be in the grid.
        unknown: dict[str, tuple[Point, HeadVoter | None]] = {}
        for digest, pair in zip(hashes, points, strict=True):
            if digest not in known:
                unknown.setdefault(digest, pair)
        todo = list(unknown.items())
        # The same on every rank, however many query clips it has.
        step = max(1, _MOST_PROBABILITIES // (len(one.query) * len(self.task.classes)))
        for start in range(0, len(todo), step):
            block = todo[start : start + step]
            predictions = self._predict([voter for _, (_, voter) in block], used, one, query)
            new = [
                self._row(point, one, used, query, *prediction) | {"hash": digest}
                for (digest, (point, _)), prediction in zip(block, predictions, strict=True)
            ]
            known |= {row["hash"]: row for row in new}
            if self.global_rank == 0:
                self.table.append(new)
        for digest, (labelled, _) in zip(hashes, points, strict=True):
            own = {name: value for name, value in labelled.settings.items() if name not in VOTER_COLUMNS}
            own |= {
                "case": labelled.case,
                "chosen": labelled.chosen,
                "shots": labelled.shots or known[digest]["shots"],
            }
            self.rows.append(known[digest] | own)
        if self.global_rank == 0:
            self.on_points(len(points))

    def _predict(
        self, voters: Sequence[HeadVoter | None], used: Sequence[int], one: Round, query: QueryClips
    ) -> list[tuple[BatchPrediction, HeadVoter | None]]:
        """Classify this rank's query clips with fitted voters, or with the model itself for None."""
        fitted = [copy.copy(voter) for voter in voters if voter is not None]
        if fitted:
            with explained("The support cannot be fitted"):
                vectors_NHD, labels, also_NC = self._support.labelled(used)
                classes, ranks = self.task.classes, rank_and_size()
                where = fit_device(vectors_NHD, len(used), len(classes), self.device)
                support = gather_support(vectors_NHD, labels, classes, sum_over_ranks, *ranks, also_NC, where)
                heldout = self._support.labelled(one.heldout)[:2] if one.heldout else None
                fit_many(fitted, support, heldout)
        with explained("The query cannot be scored"):
            decisions = iter(vote_many(fitted, query.x_NHD, query.candidates_NC))
        ready = iter(fitted)
        predictions: list[tuple[BatchPrediction, HeadVoter | None]] = []
        for voter in voters:
            if voter is None:
                predictions.append((query.zero_shot(), None))
                continue
            voter, decision = next(ready), next(decisions)
            proba_NC = voter.probabilities(decision.scores_NC)
            predictions.append((BatchPrediction(decision.winner_N, proba_NC), voter))
        return predictions

    def _row(
        self,
        point: Point,
        one: Round,
        used: Sequence[int],
        query: QueryClips,
        prediction: BatchPrediction,
        voter: HeadVoter | None,
    ) -> Row:
        """Return a row; every rank must call this, since metrics are summed over ranks."""
        self.metrics.reset()
        places = (self.task.label_Q[query.index_n], self.task.clip_Q[query.index_n], query.index_n)
        label_n, clip_n, index_n = (torch.from_numpy(part).to(self.device) for part in places)
        winner_n, proba_nC = (part.to(self.device) for part in prediction)
        if len(index_n):
            self.metrics.update(winner_n, proba_nC, label_n, clip_n, index_n)
        result = self.metrics.result()
        counts = Counter(self.task.support[position].label for position in used)
        row: Row = dict.fromkeys(columns()) | point.settings
        if voter is not None:
            row |= {"shots": point.shots or max(counts.values()), "n_support": len(used)}
        if point.chosen == LOO and voter is not None:
            chosen = {name: value for name, value in voter.fitted_params().items() if name in point.settings}
            heads = self.lalm.layout.num_heads
            row |= chosen | {"top_k": min(chosen["top_k"] or heads, heads)}
        return row | {
            "case": point.case,
            "method": point.method,
            "chosen": point.chosen,
            "fold": one.fold,
            "draw": one.draw,
            "heads": self.lalm.layout.num_heads,
            "n": result.n,
            **{name: None if math.isnan(value) else value for name, value in result.values.items()},
        }

    def _first(self, positions: Sequence[int], shots: int | None) -> list[int]:
        """Return the first `shots` clips of each class, which equal a draw of that size.

        Raises:
            RunError: a class has fewer clips, although none of its files is missing.
        """
        if shots is None:
            return list(positions)
        taken, kept = Counter[int](), []
        for position in positions:
            label = self.task.support[position].label
            taken[label] += 1
            if taken[label] <= shots:
                kept.append(position)
        few = [self.task.classes[c] for c, count in taken.items() if count < shots]
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        if few and not data.missing and data.settings.limit is None:
            raise RunError(
                f"data.shots is {shots} in the sweep, but class {few[0]!r} has fewer clips to draw from."
            )
        return kept
