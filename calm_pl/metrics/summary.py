"""What a method reached over all folds and draws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from calm_pl.metrics.bootstrap import Answers, bootstrap_clips
from calm_pl.metrics.intervals import Interval, bootstrap_macro_f1, wilson
from calm_pl.metrics.suite import RoundResult


class Spread(NamedTuple):
    """Standard deviations (n - 1) of a metric; None where there is one of them only.

    Attributes:
        draws: over draws, of the means over folds.
        folds: over folds, of the means over draws.
    """

    draws: float | None
    folds: float | None


class MethodResult(NamedTuple):
    """What a method reached; fractions in [0, 1], means over folds and draws.

    Attributes:
        values: by metric; see `RoundResult`.
        spread: by metric.
        ci95: 95 % intervals over clips, by metric: Wilson's for shares of one round, else bootstrap.
        n: questions that each draw answered.
        clips: clips that they are about.
        rounds: by fold, then by draw.
        confusion_CC: mean counts a draw, over all folds, float64; rows are the truth.
    """

    values: dict[str, float]
    spread: dict[str, Spread]
    ci95: dict[str, Interval]
    n: int
    clips: int
    rounds: list[list[RoundResult]]
    confusion_CC: np.ndarray

    @property
    def accuracy(self) -> float:
        """Share of right questions."""
        return self.values["accuracy"]

    @property
    def macro_f1(self) -> float:
        """Mean F1 over classes."""
        return self.values["macro_f1"]

    @property
    def exact_match(self) -> float:
        """Share of clips all of whose questions are right."""
        return self.values["exact_match"]


def summarise(rounds: Sequence[Sequence[RoundResult]], answers: Answers) -> MethodResult:
    """Means, spreads and intervals.

    Args:
        rounds: results by fold, then by draw.
        answers: the same predictions, question by question.
    """
    names = list(rounds[0][0].values)
    values_FDM = np.array([[[one.values[name] for name in names] for one in fold] for fold in rounds])
    confusion_CC = np.sum([one.confusion_CC for fold in rounds for one in fold], axis=0) / len(rounds[0])
    first = rounds[0][0]
    if len(rounds) == len(rounds[0]) == 1 and first.n == first.clips:
        ci95 = {
            "accuracy": wilson(int(np.trace(confusion_CC)), first.n),
            "macro_f1": bootstrap_macro_f1(confusion_CC.astype(np.int64)),
            "exact_match": wilson(first.exact, first.clips),
        }
    else:
        ci95 = bootstrap_clips(answers, len(confusion_CC))
    return MethodResult(
        {name: round(float(values_FDM[..., m].mean()), 6) for m, name in enumerate(names)},
        {
            name: Spread(_deviation(values_FDM[..., m].mean(0)), _deviation(values_FDM[..., m].mean(1)))
            for m, name in enumerate(names)
        },
        ci95,
        sum(fold[0].n for fold in rounds),
        sum(fold[0].clips for fold in rounds),
        [list(fold) for fold in rounds],
        confusion_CC,
    )


def _deviation(values: np.ndarray) -> float | None:
    return round(float(values.std(ddof=1)), 6) if len(values) > 1 else None
