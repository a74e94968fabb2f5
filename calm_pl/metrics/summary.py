"""Results of a method over all folds and draws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from calm_pl.metrics.bootstrap import Answers, Chance, bootstrap_clips
from calm_pl.metrics.intervals import Interval, bootstrap_macro_f1, wilson
from calm_pl.metrics.suite import RoundResult


class Spread(NamedTuple):
    """Standard deviations (n - 1) of a metric; None if there is only one.

    Attributes:
        draws: over draws, of the means over folds.
        folds: over folds, of the means over draws.
    """

    draws: float | None
    folds: float | None


class MethodResult(NamedTuple):
    """Results of a method; fractions in [0, 1], means over folds and draws.

    Attributes:
        values: by metric; see `RoundResult`.
        spread: by metric.
        ci95: 95 % intervals over clips and draws, by metric: Wilson's for shares of one round of independent
            clips, else bootstrap over clusters of clips and over draws.
        ci95_parts: how much of them comes from the clips and how much from the draws; with several draws.
        n: questions that each draw answered.
        clips: clips that they are about.
        rounds: by fold, then by draw.
        confusion_CC: mean counts a draw, over all folds, float64; rows are the truth.
    """

    values: dict[str, float]
    spread: dict[str, Spread]
    ci95: dict[str, Interval]
    ci95_parts: dict[str, Chance]
    n: int
    clips: int
    rounds: list[list[RoundResult]]
    confusion_CC: np.ndarray

    @property
    def accuracy(self) -> float:
        """Share of questions predicted correctly."""
        return self.values["accuracy"]

    @property
    def macro_f1(self) -> float:
        """Mean F1 over classes."""
        return self.values["macro_f1"]

    @property
    def exact_match(self) -> float:
        """Share of clips with every question predicted correctly."""
        return self.values["exact_match"]


def summarise(rounds: Sequence[Sequence[RoundResult]], answers: Answers) -> MethodResult:
    """Summarise rounds by means, spreads and intervals.

    Args:
        rounds: results by fold, then by draw.
        answers: the same predictions, question by question.
    """
    names = list(rounds[0][0].values)
    values_FDM = np.array([[[one.values[name] for name in names] for one in fold] for fold in rounds])
    confusion_CC = np.sum([one.confusion_CC for fold in rounds for one in fold], axis=0) / len(rounds[0])
    first = rounds[0][0]
    parts: dict[str, Chance] = {}
    if len(rounds) == len(rounds[0]) == 1 and _independent(answers):
        ci95 = {
            "accuracy": wilson(int(np.trace(confusion_CC)), first.n),
            "macro_f1": bootstrap_macro_f1(confusion_CC.astype(np.int64)),
            "exact_match": wilson(first.exact, first.clips),
        }
    else:
        chances = bootstrap_clips(answers, len(confusion_CC))
        ci95 = {name: chance.both for name, chance in chances.items()}
        for name in ("accuracy", "exact_match"):
            ci95[name] = _never_certain(ci95[name], answers)
        if len(rounds[0]) > 1:
            parts = chances
    return MethodResult(
        {name: round(float(values_FDM[..., m].mean()), 6) for m, name in enumerate(names)},
        {name: spread_of(values_FDM[..., m]) for m, name in enumerate(names)},
        ci95,
        parts,
        sum(fold[0].n for fold in rounds),
        sum(fold[0].clips for fold in rounds),
        [list(fold) for fold in rounds],
        confusion_CC,
    )


def _independent(answers: Answers) -> bool:
    """Return whether each question has a clip and a source recording of its own."""
    whole_Q = answers.clip_Q if answers.cluster_Q is None else answers.cluster_Q
    return len(np.unique(whole_Q)) == len(whole_Q) == len(np.unique(answers.clip_Q))


def _never_certain(interval: Interval, answers: Answers) -> Interval:
    """Replace degenerate intervals: if all or none are correct, use Wilson's interval over clusters."""
    if interval not in ((0.0, 0.0), (1.0, 1.0)):
        return interval
    total = len(np.unique(answers.clip_Q if answers.cluster_Q is None else answers.cluster_Q))
    return wilson(total if interval.high else 0, total)


def spread_of(values_FD: np.ndarray) -> Spread:
    """Return the spread of a metric by fold, then by draw."""
    return Spread(_deviation(values_FD.mean(0)), _deviation(values_FD.mean(1)))


def _deviation(values: np.ndarray) -> float | None:
    return round(float(values.std(ddof=1)), 6) if len(values) > 1 else None
