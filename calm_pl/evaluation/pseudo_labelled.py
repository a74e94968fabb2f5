"""Voters on pseudo-labels as contenders; they share the labels and a single fit."""

from __future__ import annotations

from collections.abc import Sequence

from calm_pl.data.loading.batches import Batch
from calm_pl.evaluation.batch_prediction import BatchPrediction, explained
from calm_pl.evaluation.contenders import Contender, RoundQuery, RoundSupport, Source
from calm_pl.evaluation.encoding import Encoded
from calm_pl.pseudo.fitting import PseudoFit


class PseudoLabelled(Source):
    """The model's labels of the support, and the voters fitted on them.

    Args:
        fit: the labels and voters.
    """

    def __init__(self, fit: PseudoFit) -> None:
        self.labels_and_voters = fit
        self.sampler = fit.sampler
        self.keeps_vectors = bool(fit.voters)

    def start(self) -> None:
        """Forget everything."""
        self.labels_and_voters.start()

    def collect(self, batch: Batch, encoded: Encoded) -> None:
        """Store the sampled answers for a support batch."""
        self.labels_and_voters.add(batch.index_N, encoded.answers)

    def settle(self) -> None:
        """Label the clips of all ranks by majority vote."""
        self.labels_and_voters.settle()

    def fit(self, part: RoundSupport) -> None:
        """Fit every voter on the labels of one round.

        Raises:
            RunError: a voter cannot be fitted on the labels.
        """
        with explained("The pseudo-labels cannot be fitted"):
            self.labels_and_voters.fit(part.round, part.heads, part.device)


class OnPseudoLabels(Contender):
    """One voter on pseudo-labels.

    Args:
        name: name of the row.
        source: the pseudo-labels and voters.
        may_abstain: whether a question may have only options without pseudo-labels.
    """

    def __init__(self, name: str, source: PseudoLabelled, may_abstain: bool) -> None:
        super().__init__(name)
        self.source = source
        self.may_abstain = may_abstain
        self._fit = source.labels_and_voters

    @classmethod
    def all_of(cls, fit: PseudoFit, may_abstain: bool) -> list[OnPseudoLabels]:
        """Return a contender for each of a fit's voters."""
        source = PseudoLabelled(fit)
        return [cls(name, source, may_abstain) for name in fit.methods]

    def predict(self, query: RoundQuery) -> BatchPrediction:
        """Return the voter's winners and probabilities, 0 for classes without a pseudo-label."""
        voter = self._fit.fitted[self.name][query.number]
        return BatchPrediction(*voter.predict(query.vectors(), query.candidates_nC))


def pseudo_fit(sources: Sequence[Source]) -> PseudoFit | None:
    """Return a module's pseudo-labels; None if there are none."""
    found = (source.labels_and_voters for source in sources if isinstance(source, PseudoLabelled))
    return next(found, None)
