"""Contenders: everything that predicts a query, in three steps: collect, fit, answer.

The LightningModule owns a list of them and knows none by name. What several share stands in a `Source`
(pseudo-labels), in `RoundSupport` (the support of a round) and in `Asked` (votes on a batch), and is computed
once.
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
from calm_pl.evaluation.answers import Answer, explained, listed, zero_shot_answer
from calm_pl.evaluation.collect import Collector
from calm_pl.evaluation.encoding import Encoded, hidden_states
from calm_pl.evaluation.labelled import Labelled
from calm_pl.methods.table import ORACLE_SUFFIX
from calm_pl.pseudo.fitting import Held
from calm_pl.pseudo.sampling import RolloutSampler
from calm_pl.voters import HeadVoter, Support, gather_support
from calm_pl.voters.base import Decision
from calm_pl.voters.calm import CalmBase
from calm_pl.voters.many import vote_many
from calm_pl.voters.oracle import OracleSearch


class RoundSupport:
    """The support of one round; each form of it is made once, when a contender first needs it.

    Args:
        number: of the round among `task.rounds`.
        one: the round.
        collected: what this rank has encoded of the support.
        device: that fitted voters are put on.
    """

    def __init__(self, number: int, one: Round, collected: Collector, device: torch.device) -> None:
        self.number = number
        self.round = one
        self.device = device
        self._collected = collected
        self._labelled: Labelled | None = None
        self._supports: dict[bool, Support] = {}

    def support(self, hidden: bool) -> Support:
        """Return the labelled clips of all ranks as voters are fitted on; every rank must call it.

        Args:
            hidden: hidden states rather than heads.

        Raises:
            ValueError: what voters cannot be fitted on.
        """
        if hidden not in self._supports:
            self._labelled = self._labelled or self._collected.labelled(self.round.support)
            vectors_NHD, labels, also_NC = self._labelled
            self._supports[hidden] = gather_support(
                self._read(vectors_NHD, hidden),
                labels,
                self._collected.task.classes,
                sum_over_ranks,
                *rank_and_size(),
                also_NC,
            )
        return self._supports[hidden]

    def heldout(self, hidden: bool) -> tuple[Tensor, list[str]] | None:
        """Return this rank's held-out clips with their labels; None where the round has none."""
        if not self.round.heldout:
            return None
        found = self._collected.labelled(self.round.heldout)
        return self._read(found.vectors_NHD, hidden), found.labels

    def heads(self, positions: Sequence[int]) -> Held:
        """Return head vectors of some support questions, as far as they are on this rank."""
        held = self._collected.held(positions)
        return held._replace(vectors_NHD=self._read(held.vectors_NHD, hidden=False))

    def _read(self, vectors_NHD: Tensor, hidden: bool) -> Tensor:
        return read_by(hidden, vectors_NHD, self._collected.lalm.layout.num_heads)


class Asked:
    """Rows of a query batch that belong to one round.

    Args:
        number: of the round.
        rows: of the batch, int64.
        batch: the batch.
        encoded: what the pass gave.
        task: classes and questions.
        num_heads: H.
        voters: fitted in this round; those on the same support are scored together.
    """

    def __init__(
        self,
        number: int,
        rows: Tensor,
        batch: Batch,
        encoded: Encoded,
        task: Task,
        num_heads: int,
        voters: Sequence[HeadVoter],
    ) -> None:
        self.number = number
        self.options_nO = batch.options_NO[rows]
        self.scores_nO = encoded.options_NO[rows]
        self.num_classes = len(task.classes)
        self.candidates_nC = listed(self.options_nO, self.num_classes) if task.only_options else None
        self._vectors_nHD = encoded.vectors_NHD[rows]
        self._num_heads = num_heads
        self._voters = voters
        self._decisions: dict[int, Decision] = {}

    def vectors(self, hidden: bool = False) -> Tensor:
        """Return head vectors, (n, H, D), or hidden states."""
        return read_by(hidden, self._vectors_nHD, self._num_heads)

    def decision(self, voter: HeadVoter) -> Decision:
        """Return what a fitted voter decides, from scores that all voters on the same centroids share."""
        if id(voter) not in self._decisions:
            alike = [one for one in self._voters if one.centroids_ is voter.centroids_]
            together = alike if any(one is voter for one in alike) else [voter]
            found = vote_many(together, self.vectors(voter.reads_hidden), self.candidates_nC)
            self._decisions |= {id(one): decision for one, decision in zip(together, found, strict=True)}
        return self._decisions[id(voter)]


def read_by(hidden: bool, vectors_NHD: Tensor, num_heads: int) -> Tensor:
    """Return what a voter reads of the vectors that were kept: heads, or the hidden states behind them."""
    return hidden_states(vectors_NHD, num_heads) if hidden else vectors_NHD[:, :num_heads]


class Source:
    """Something that several contenders depend on, fitted once per round before them.

    Attributes:
        keeps_vectors: whether its fit needs the vectors of the support.
        sampler: of answers that each pass of the support also takes.
    """

    keeps_vectors: bool = False
    sampler: RolloutSampler | None = None

    def start(self) -> None:
        """Forget everything."""

    def collect(self, batch: Batch, encoded: Encoded) -> None:
        """Take what it needs of a support batch."""

    def settle(self) -> None:
        """Bring together what ranks collected; every rank must call it."""

    def fit(self, part: RoundSupport) -> None:
        """Fit on one round after another; every rank must call it."""


class Contender(Source):
    """Something that predicts a query; a row of the table.

    Args:
        name: of the row.

    Attributes:
        source: what it is made from, beside the support; None for nothing.
        reads_hidden: whether it reads hidden states.
        may_abstain: whether it may give class C, which is no answer.
        scored_by: how it wants options to be scored; None where it does not read their scores.
        searches_query: whether it reads the query once before it answers.
        fitted: voters of the rounds, where a classifier file can hold them.
    """

    source: Source | None = None
    reads_hidden: bool = False
    may_abstain: bool = False
    scored_by: str | None = None
    searches_query: bool = False

    def __init__(self, name: str) -> None:
        self.name = name
        self.fitted: list[HeadVoter] = []

    def start(self) -> None:
        """Forget everything."""
        self.fitted = []

    def answer(self, asked: Asked) -> Answer:
        """Return classes and probabilities, as fitted in the round that is asked about."""
        raise NotImplementedError

    def search(self, asked: Asked, label_n: Tensor) -> None:
        """Take what it needs of a query batch, in the pass before the one that it answers."""

    def choose(self) -> None:
        """End that pass; every rank must call it."""


class ZeroShot(Contender):
    """The model itself.

    Args:
        name: of the row.
        mode: how options are scored.
    """

    def __init__(self, name: str, mode: str) -> None:
        super().__init__(name)
        self.scored_by = mode
        self.may_abstain = mode == "generate"  # words that name no option

    def answer(self, asked: Asked) -> Answer:
        """Return the likeliest options."""
        return zero_shot_answer(asked.scores_nO, asked.options_nO, asked.num_classes)


class FittedVoter(Contender):
    """A voter; the first round fits the voter itself, the others fit copies.

    Args:
        name: of the row.
        voter: unfitted.
    """

    keeps_vectors = True

    def __init__(self, name: str, voter: HeadVoter) -> None:
        super().__init__(name)
        self.voter = voter
        self.reads_hidden = voter.reads_hidden

    def fit(self, part: RoundSupport) -> None:
        """Fit a voter on the round's support.

        Raises:
            RunError: what it cannot be fitted on.
        """
        voter = self.voter if not self.fitted else copy.copy(self.voter)
        with explained("The support cannot be fitted"):
            support = part.support(self.reads_hidden)
            judged = None
            if voter.get_params().get("reliability_split") == "heldout":
                judged = part.heldout(self.reads_hidden)
            self.fitted.append(voter.fit_support(support, judged).to(part.device))

    def answer(self, asked: Asked) -> Answer:
        """Return the voter's winners and probabilities."""
        voter = self.fitted[asked.number]
        decision = asked.decision(voter)
        return Answer(decision.winner_N, voter.probabilities(decision.scores_NC))


class Oracle(FittedVoter):
    """A voter whose settings are selected on the query set: an upper bound, not a result.

    Args:
        base: the voter that is fitted before it, on the same support.
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
        """Prepare the search of a round."""
        voter = self._base.fitted[part.number]
        assert isinstance(voter, CalmBase)
        with explained("The support cannot be fitted"):
            self._searches.append(OracleSearch(voter, part.support(self.reads_hidden)))

    def search(self, asked: Asked, label_n: Tensor) -> None:
        """Count what each setting gets right."""
        self._searches[asked.number].update(asked.vectors(), label_n, asked.candidates_nC)

    def choose(self) -> None:
        """Take the best setting of each round."""
        self.fitted = [search.best(sum_over_ranks(search.hits_S)) for search in self._searches]
