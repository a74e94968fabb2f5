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
from calm_pl.evaluation.answers import Answer, explained, metric_sizes
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

_MOST_ANSWERS = 2**28  # probabilities that all ranks together hold at once, 1 GiB


class SweepModule(LightningModule):
    """Module that collects support (`trainer.validate`) and query (`trainer.test`), and computes all points.

    Ranks keep their own vectors; what crosses them are sums, as in `FitFreeModule`.

    Args:
        lalm: the frozen model.
        points: what is computed; with an unfitted voter for each, None for zero-shot.
        task: classes, questions and rounds; the rounds' support holds the most shots of any point.
        zero_shot: how options are scored, see `option_scores`.
        table: where rows of earlier jobs are, and new ones go; rank 0's is read and written.
        on_points: called on rank 0 with how many points were dealt with, a round after another.
        policy: for clips that cannot be read.

    Attributes:
        rows: all rows, after test; the same on every rank.
        notes: what a reader must know about the data, a sentence each; set by the job.
        support_coverage, query_coverage: what became of the clips.
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
        """Begin an empty support."""
        self._keys["support"] = {}
        self._support.begin(self.trainer)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Collect support clips; they stay on their rank."""
        self._collect(self._support, batch)

    def on_validation_epoch_end(self) -> None:
        """Count the support."""
        self.support_coverage: Coverage = self._support.finish(self.device)

    def on_test_epoch_start(self) -> None:
        """Begin an empty query."""
        self._keys["query"] = {}
        self._options = []
        self._query.begin(self.trainer)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Collect query clips; they stay on their rank."""
        encoded = self._collect(self._query, batch)
        if encoded is not None:
            self._options.append((batch.options_NO, encoded.options_NO))

    def on_test_epoch_end(self) -> None:
        """Compute every point that is not known."""
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
            self.on_points(0)  # the clock starts
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
        """Compute the points of a round that share their support."""
        support = self._first(one.support, shots)
        used = [position for position in support if position in keys["support"]]
        facts = round_facts(self.task, self.zero_shot, one, used, keys)
        heads = self.lalm.layout.num_heads
        hashes = [point_hash(point, voter, facts, heads) for point, voter in points]
        # Several points may be one: a setting of the grid is also the configured one.
        unknown: dict[str, tuple[Point, HeadVoter | None]] = {}
        for digest, pair in zip(hashes, points, strict=True):
            if digest not in known:
                unknown.setdefault(digest, pair)
        todo = list(unknown.items())
        # The same on every rank, whatever it holds of the query.
        step = max(1, _MOST_ANSWERS // (len(one.query) * len(self.task.classes)))
        for start in range(0, len(todo), step):
            block = todo[start : start + step]
            answers = self._answers([voter for _, (_, voter) in block], used, one, query)
            new = [
                self._row(point, one, used, query, *answer) | {"hash": digest}
                for (digest, (point, _)), answer in zip(block, answers, strict=True)
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

    def _answers(
        self, voters: Sequence[HeadVoter | None], used: Sequence[int], one: Round, query: QueryClips
    ) -> list[tuple[Answer, HeadVoter | None]]:
        """Predict this rank's query clips with fitted voters, or with the model itself for None."""
        fitted = [copy.copy(voter) for voter in voters if voter is not None]
        if fitted:
            with explained("The support cannot be fitted"):
                vectors_NHD, labels, also_NC = self._support.labelled(used)
                classes, ranks = self.task.classes, rank_and_size()
                support = gather_support(vectors_NHD, labels, classes, sum_over_ranks, *ranks, also_NC)
                heldout = self._support.labelled(one.heldout)[:2] if one.heldout else None
                fit_many(fitted, support, heldout)
        with explained("The query cannot be scored"):
            decisions = iter(vote_many(fitted, query.x_NHD, query.candidates_NC))
        ready = iter(fitted)
        answers: list[tuple[Answer, HeadVoter | None]] = []
        for voter in voters:
            if voter is None:
                answers.append((query.zero_shot(), None))
                continue
            voter, decision = next(ready), next(decisions)
            answers.append((Answer(decision.winner_N, voter.probabilities(decision.scores_NC)), voter))
        return answers

    def _row(
        self,
        point: Point,
        one: Round,
        used: Sequence[int],
        query: QueryClips,
        answer: Answer,
        voter: HeadVoter | None,
    ) -> Row:
        """Make a row; every rank must call it, since metrics are summed over ranks."""
        self.metrics.reset()
        places = (self.task.label_Q[query.index_n], self.task.clip_Q[query.index_n], query.index_n)
        label_n, clip_n, index_n = (torch.from_numpy(part).to(self.device) for part in places)
        winner_n, proba_nC = (part.to(self.device) for part in answer)
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
        """Return the first `shots` clips of each class: the same as a draw of that size.

        Raises:
            RunError: a class has fewer, though none of its files is missing.
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
        if few and not self.trainer.datamodule.missing:  # type: ignore[attr-defined]
            raise RunError(
                f"data.shots is {shots} in the sweep, but class {few[0]!r} has fewer clips to draw from."
            )
        return kept
