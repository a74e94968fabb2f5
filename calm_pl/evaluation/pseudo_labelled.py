"""Voters on pseudo-labels as contenders, which share a single fit."""

from __future__ import annotations

from collections.abc import Sequence

from calm_pl.data.loading.batches import Batch
from calm_pl.evaluation.answers import Answer, explained
from calm_pl.evaluation.contenders import Asked, Contender, RoundSupport, Source
from calm_pl.evaluation.encoding import Encoded
from calm_pl.pseudo.fitting import PseudoFit


class PseudoLabelled(Source):
    """Labels that the model assigned to the support, and the voters fitted on them.

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
        """Take the sampled answers of a support batch."""
        self.labels_and_voters.add(batch.index_N, encoded.answers)

    def settle(self) -> None:
        """Vote, over the clips of all ranks."""
        self.labels_and_voters.settle()

    def fit(self, part: RoundSupport) -> None:
        """Fit every voter on the labels of one round.

        Raises:
            RunError: what they cannot be fitted on.
        """
        with explained("The pseudo-labels cannot be fitted"):
            self.labels_and_voters.fit(part.round, part.heads)


class OnPseudoLabels(Contender):
    """One voter on pseudo-labels.

    Args:
        name: of the row.
        source: what it is fitted by.
        may_abstain: whether no option of a question may have a pseudo-label.
    """

    def __init__(self, name: str, source: PseudoLabelled, may_abstain: bool) -> None:
        super().__init__(name)
        self.source = source
        self.may_abstain = may_abstain
        self._fit = source.labels_and_voters

    @classmethod
    def all_of(cls, fit: PseudoFit, may_abstain: bool) -> list[OnPseudoLabels]:
        """Return a contender for each voter of a fit."""
        source = PseudoLabelled(fit)
        return [cls(name, source, may_abstain) for name in fit.methods]

    def answer(self, asked: Asked) -> Answer:
        """Return the voter's winners and probabilities, 0 for classes without a pseudo-label."""
        return Answer(*self._fit.fitted[self.name][asked.number].answer(asked.vectors(), asked.candidates_nC))


def pseudo_fit(sources: Sequence[Source]) -> PseudoFit | None:
    """Return the pseudo-labels among what a module's contenders are made from; None where there are none."""
    found = (source.labels_and_voters for source in sources if isinstance(source, PseudoLabelled))
    return next(found, None)
