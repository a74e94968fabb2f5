"""Contenders: everything that predicts query clips, in three steps: collect, fit, predict.

The LightningModule owns a list of them and knows none by name. What several of them share is computed once:
in a `Source` (pseudo-labels), in `RoundSupport` (a round's support) and in `RoundQuery` (votes on a batch).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor

from calm_pl.data.loading.batches import Batch
from calm_pl.data.questions.clips import Round
from calm_pl.data.questions.task import Task
from calm_pl.distributed import rank_and_size, sum_over_ranks
from calm_pl.evaluation.batch_prediction import BatchPrediction, explained, listed, zero_shot_prediction
from calm_pl.evaluation.collect import Collector
from calm_pl.evaluation.encoding import Encoded
from calm_pl.evaluation.labelled import Labelled
from calm_pl.methods.table import ORACLE_SUFFIX, Reads
from calm_pl.pseudo.fitting import Held
from calm_pl.pseudo.sampling import RolloutSampler
from calm_pl.voters import HeadVoter, Support, gather_support
from calm_pl.voters.base import Decision
from calm_pl.voters.calm import CalmBase
from calm_pl.voters.many import vote_many, with_evidence
from calm_pl.voters.oracle import OracleSearch
from calm_pl.voters.placing import fit_device


class RoundSupport:
    """The support of one round; each form of it is created when a contender first needs it.

    Args:
        number: the round's position in `task.rounds`.
        one: the round.
        collected: what this rank has encoded of the support.
        device: the device for fitted voters.
        voters: those to be fitted on it, whose evidence is summed in one pass; others may be fitted too.
    """

    def __init__(
        self,
        number: int,
        one: Round,
        collected: Collector,
        device: torch.device,
        voters: Sequence[HeadVoter] = (),
    ) -> None:
        self.number = number
        self.round = one
        self.device = device
        self._collected = collected
        self._voters = voters
        self._labelled: Labelled | None = None
        self._supports: dict[Reads, Support] = {}

    def support(self, reads: Reads = Reads.HEADS) -> Support:
        """Return the support on which voters are fitted; every rank must call this.

        Args:
            reads: what the voters read from each clip.

        Raises:
            ValueError: voters cannot be fitted on it.
        """
        if reads not in self._supports:
            self._labelled = self._labelled or self._collected.labelled(self.round.support)
            vectors_NHD, labels, also_NC = self._labelled
            classes = self._collected.task.classes
            support = gather_support(
                self._read(vectors_NHD, reads),
                labels,
                classes,
                sum_over_ranks,
                *rank_and_size(),
                also_NC,
                fit_device(vectors_NHD, len(self.round.support), len(classes), self.device),
            )
            some = [voter for voter in self._voters if Reads(voter.reads) is reads]
            self._supports[reads] = with_evidence(some, support)
        return self._supports[reads]

    def heldout(self, reads: Reads) -> tuple[Tensor, list[str]] | None:
        """Return this rank's held-out clips with their labels; None if the round has none."""
        if not self.round.heldout:
            return None
        found = self._collected.labelled(self.round.heldout)
        return self._read(found.vectors_NHD, reads), found.labels

    def heads(self, positions: Sequence[int]) -> Held:
        """Return head vectors of those of the given support questions that are on this rank."""
        held = self._collected.held(positions)
        return held._replace(vectors_NHD=self._read(held.vectors_NHD, Reads.HEADS))

    def _read(self, vectors_NHD: Tensor, reads: Reads) -> Tensor:
        return self._collected.keeps.read(reads, vectors_NHD, self._collected.lalm)


class RoundQuery:
    """Rows of a query batch that belong to one round.

    Args:
        number: the round's position in `task.rounds`.
        rows: the rows of the batch, int64.
        batch: the batch.
        encoded: results of the forward pass.
        task: classes and questions.
        collected: what encoded the batch.
        voters: the voters fitted in this round; those with the same support are scored together.
    """

    def __init__(
        self,
        number: int,
        rows: Tensor,
        batch: Batch,
        encoded: Encoded,
        task: Task,
        collected: Collector,
        voters: Sequence[HeadVoter],
    ) -> None:
        self.number = number
        self.index_n = batch.index_N[rows]
        self.options_nO = batch.options_NO[rows]
        self.scores_nO = encoded.options_NO[rows]
        self.num_classes = len(task.classes)
        self.candidates_nC = listed(self.options_nO, self.num_classes) if task.only_options else None
        self._vectors_nHD = encoded.vectors_NHD[rows]
        self._collected = collected
        self._voters = voters
        self._decisions: dict[int, Decision] = {}

    def vectors(self, reads: Reads = Reads.HEADS) -> Tensor:
        """Return head vectors, (n, H, D), or what else a method reads; see `Kept.read`."""
        return self._collected.keeps.read(reads, self._vectors_nHD, self._collected.lalm)

    def decision(self, voter: HeadVoter) -> Decision:
        """Return a fitted voter's decision; voters with the same centroids share their scores."""
        if id(voter) not in self._decisions:
            alike = [one for one in self._voters if one.centroids_ is voter.centroids_]
            together = alike if any(one is voter for one in alike) else [voter]
            found = vote_many(together, self.vectors(Reads(voter.reads)), self.candidates_nC)
            self._decisions |= {id(one): decision for one, decision in zip(together, found, strict=True)}
        return self._decisions[id(voter)]


class Source:
    """Something that several contenders depend on, fitted once per round before them.

    Attributes:
        keeps_vectors: whether fitting needs the support's vectors.
        sampler: also samples answers in each pass over the support; None if not needed.
    """

    keeps_vectors: bool = False
    sampler: RolloutSampler | None = None

    def start(self) -> None:
        """Forget everything."""

    def collect(self, batch: Batch, encoded: Encoded) -> None:
        """Store what it needs from a support batch."""

    def settle(self) -> None:
        """Combine what the ranks collected; every rank must call this."""

    def fit(self, part: RoundSupport) -> None:
        """Fit on one round; every rank must call this, for the rounds in order."""


class Contender(Source):
    """Something that predicts query clips: one row of the results table.

    Args:
        name: name of the row.

    Attributes:
        source: the source that it depends on, besides the support; None if there is none.
        reads: what it reads from each clip.
        may_abstain: whether it may predict class C, which means no prediction.
        scored_by: how options must be scored for it; None if it does not read their scores.
        searches_query: whether it needs a first pass over the query, before it predicts any of it.
        fitted: the fitted voters by round, if a classifier file can store them.
        refitted: a voter fitted on the support of all rounds, where one was asked for.
    """

    source: Source | None = None
    reads: Reads = Reads.HEADS
    may_abstain: bool = False
    scored_by: str | None = None
    searches_query: bool = False

    def __init__(self, name: str) -> None:
        self.name = name
        self.fitted: list[HeadVoter] = []
        self.refitted: HeadVoter | None = None

    def start(self) -> None:
        """Forget everything."""
        self.fitted, self.refitted = [], None

    def refit(self, part: RoundSupport) -> None:
        """Fit a further voter on the support of all rounds; every rank must call this."""

    def predict(self, query: RoundQuery) -> BatchPrediction:
        """Return classes and probabilities, as fitted in the query's round."""
        raise NotImplementedError

    def search(self, query: RoundQuery, label_n: Tensor) -> None:
        """Process a query batch in the first pass, before any prediction."""

    def choose(self) -> None:
        """Choose settings, or answers, after the first pass; every rank must call this."""


class ZeroShot(Contender):
    """The model itself.

    Args:
        name: name of the row.
        mode: how options are scored.
    """

    def __init__(self, name: str, mode: str) -> None:
        super().__init__(name)
        self.scored_by = mode
        self.may_abstain = mode == "generate"  # if the generated text names no option

    def predict(self, query: RoundQuery) -> BatchPrediction:
        """Return the likeliest option of each question."""
        return zero_shot_prediction(query.scores_nO, query.options_nO, query.num_classes)


class FittedVoter(Contender):
    """A voter; the first round fits the voter itself, further rounds fit copies.

    Args:
        name: name of the row.
        voter: the unfitted voter.
    """

    keeps_vectors = True

    def __init__(self, name: str, voter: HeadVoter) -> None:
        super().__init__(name)
        self.voter = voter
        self.reads = Reads(voter.reads)

    def fit(self, part: RoundSupport) -> None:
        """Fit a voter on the round's support.

        Raises:
            RunError: the voter cannot be fitted on the support.
        """
        voter = self.voter if not self.fitted else copy.copy(self.voter)
        self.fitted.append(self._fit(voter, part))

    def refit(self, part: RoundSupport) -> None:
        """Fit a further copy of the voter, on the support of all rounds.

        Raises:
            RunError: the voter cannot be fitted on it.
        """
        self.refitted = self._fit(copy.copy(self.voter), part)

    def _fit(self, voter: HeadVoter, part: RoundSupport) -> HeadVoter:
        with explained("The support cannot be fitted"):
            support = part.support(self.reads)
            judged = None
            if voter.get_params().get("reliability_split") == "heldout":
                judged = part.heldout(self.reads)
            return voter.fit_support(support, judged).to(part.device)

    def predict(self, query: RoundQuery) -> BatchPrediction:
        """Return the voter's winners and probabilities."""
        voter = self.fitted[query.number]
        decision = query.decision(voter)
        return BatchPrediction(decision.winner_N, voter.probabilities(decision.scores_NC))


class Oracle(FittedVoter):
    """A voter whose settings are selected on the query set: an upper bound, not a result.

    Args:
        base: the contender whose voter is fitted before this one, on the same support.
    """

    searches_query = True

    def __init__(self, base: FittedVoter) -> None:
        super().__init__(base.name + ORACLE_SUFFIX, base.voter)
        self._base = base
        self._searches: list[OracleSearch] = []

    def start(self) -> None:
        """Forget everything."""
        super().start()
        self._searches = []

    def fit(self, part: RoundSupport) -> None:
        """Prepare the search for a round's settings."""
        voter = self._base.fitted[part.number]
        assert isinstance(voter, CalmBase)
        with explained("The support cannot be fitted"):
            self._searches.append(OracleSearch(voter, part.support(self.reads)))

    def refit(self, part: RoundSupport) -> None:
        """Do nothing: a classifier file stores no oracle."""

    def search(self, query: RoundQuery, label_n: Tensor) -> None:
        """Count the correct predictions of each setting."""
        self._searches[query.number].update(query.vectors(), label_n, query.candidates_nC)

    def choose(self) -> None:
        """Choose the best setting of each round."""
        self.fitted = [search.best(sum_over_ranks(search.hits_S)) for search in self._searches]
