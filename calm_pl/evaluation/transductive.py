"""Transductive GDA: all query clips are looked at together before any is answered. Opt-in, and marked so."""

from __future__ import annotations

import torch
from torch import Tensor

from calm_pl.distributed import concatenate_over_ranks
from calm_pl.errors import RunError
from calm_pl.evaluation.batch_prediction import BatchPrediction, explained
from calm_pl.evaluation.contenders import Contender, FittedVoter, RoundQuery, RoundSupport
from calm_pl.functional import evidence_shares
from calm_pl.functional.transduction import (
    UNLABELLED,
    clip_coordinates,
    transductive_log_posteriors,
    trust,
)
from calm_pl.voters import Support
from calm_pl.voters.gram import clip_gram, clip_places, folded_clips, over_ranks
from calm_pl.voters.linear import discriminants

TRANSDUCTIVE = "gda_transductive"
BASE = "gda"
RHOS = (3.0, 10.0, 30.0)
"""Shrinkages averaged, by the evidence of held-out support clips; with less, the classes of unseen speakers
were lost."""
BLOCK = 1_000
"""Query clips that are looked at together; more are divided, evenly and by their position in the data set."""


class Transductive(Contender):
    """GDA whose means and covariance are estimated from the support and the unlabelled query together.

    Its predictions for a clip depend on the other query clips, so it is not comparable with the other methods
    without saying so: its title does. Labels of the query are never read. The support's vectors of all rounds
    and the query's are kept until the whole query has been seen.

    Args:
        name: name of the row.
        base: GDA, fitted before this on the same support.
    """

    keeps_vectors = True
    searches_query = True

    def __init__(self, name: str, base: FittedVoter) -> None:
        super().__init__(name)
        self._base = base
        self.start()

    def start(self) -> None:
        """Forget everything."""
        super().start()
        self._supports: list[Support] = []
        self._query: list[_RoundClips] = []
        self._found: list[dict[int, Tensor]] = []

    def fit(self, part: RoundSupport) -> None:
        """Keep the support of a round."""
        with explained("The support cannot be fitted"):
            self._supports.append(part.support())
        self._query.append(_RoundClips())

    def search(self, query: RoundQuery, label_n: Tensor) -> None:
        """Keep a query batch and GDA's answers; `label_n` is not read."""
        decision = query.decision(self._base.fitted[query.number])
        self._query[query.number].add(query.index_n, query.vectors(), decision.scores_NC)

    def choose(self) -> None:
        """Answer all query clips of each round; every rank must call this."""
        self._found = []
        for support, clips in zip(self._supports, self._query, strict=True):
            with explained("The query cannot be looked at as a whole"):
                self._found.append(clips.answered(support))
        self._supports, self._query = [], []

    def predict(self, query: RoundQuery) -> BatchPrediction:
        """Return the answers that were found when the whole query was seen.

        Raises:
            RunError: the query was not seen before, in a Trainer of one's own.
        """
        if not self._found:
            raise RunError(
                f"{self.name} needs the whole query before it answers: run trainer.test(OraclePass(module)),"
                " of calm_pl.evaluation.oracle, before trainer.test(module)."
            )
        found = self._found[query.number]
        log_p_nC = torch.stack([found[index] for index in query.index_n.tolist()]).to(query.index_n.device)
        return BatchPrediction(log_p_nC.argmax(-1), log_p_nC.exp())


class _RoundClips:
    """Query clips of one round on this rank."""

    def __init__(self) -> None:
        self.index: list[int] = []
        self._vectors: list[Tensor] = []
        self._log_p: list[Tensor] = []

    def add(self, index_n: Tensor, x_nHD: Tensor, log_p_nC: Tensor) -> None:
        """Keep a batch."""
        self.index += index_n.tolist()
        self._vectors.append(x_nHD)
        self._log_p.append(log_p_nC)

    def answered(self, support: Support) -> dict[int, Tensor]:
        """Return log-probabilities (C,) float32 of this rank's clips by their index."""
        everywhere = sorted(index for part in concatenate_over_ranks([self.index]) for index in part)
        blocks = -(-len(everywhere) // BLOCK)
        block_of = {index: place % blocks for place, index in enumerate(everywhere)}
        x_NHD = torch.cat(self._vectors) if self._vectors else support.x_NHD[:0]
        classes = len(support.classes)
        log_p_NC = torch.cat(self._log_p) if self._log_p else torch.zeros(0, classes, device=x_NHD.device)
        found: dict[int, Tensor] = {}
        for block in range(blocks):
            rows = [row for row, index in enumerate(self.index) if block_of[index] == block]
            answers_nC = together(support, x_NHD[rows].to(support.x_NHD), log_p_NC[rows].to(support.device))
            found |= dict(zip((self.index[row] for row in rows), answers_nC, strict=True))
        return found


def together(support: Support, x_QHD: Tensor, log_p_QC: Tensor) -> Tensor:
    """Return log-probabilities (Q, C) float32 of this rank's query clips; every rank must call it.

    Args:
        support: of the round.
        x_QHD: head vectors of this rank's query clips.
        log_p_QC: GDA's log-probabilities of them; -inf for classes that are not candidates.
    """
    log_p_QC = log_p_QC.to(torch.float64)
    unlabelled_Q = torch.full((len(x_QHD),), UNLABELLED, device=support.y_N.device)
    both = support._replace(
        x_NHD=torch.cat([support.x_NHD, x_QHD]), y_N=torch.cat([support.y_N, unlabelled_Q])
    )
    places = clip_places(both)
    query_N = places.y_N == UNLABELLED
    own_rows_NC = torch.cat([torch.zeros(len(support.y_N), log_p_QC.shape[1]).to(log_p_QC), log_p_QC])
    # Summed over ranks: -inf is no number to add zeros to.
    all_NC = over_ranks(both, places, own_rows_NC.clamp(min=-1e30))
    all_QC = all_NC[query_N].masked_fill(all_NC[query_N] <= -1e30, -torch.inf)
    weight = trust(all_QC)
    if weight == 0:
        return log_p_QC.to(torch.float32)
    _, heads, dim = both.x_NHD.shape
    weights_H = torch.full((heads,), 1 / heads, dtype=torch.float64, device=both.device)
    gram_NN = clip_gram(both, places, weights_H)
    clips = folded_clips(support, clip_places(support))
    candidates = discriminants(gram_NN[~query_N][:, ~query_N], clips, len(support.classes), heads * dim, RHOS)
    shares = evidence_shares([one.calibration.log_p_N for one in candidates]).tolist()
    found_QC = transductive_log_posteriors(
        clip_coordinates(gram_NN), places.y_N, all_QC, RHOS[: len(shares)], shares
    )
    mean_QC = torch.log_softmax((1 - weight) * all_QC + weight * found_QC, -1)
    full_NC = torch.zeros_like(all_NC)
    full_NC[query_N] = mean_QC
    return full_NC[places.own][len(support.y_N) :].to(torch.float32)
