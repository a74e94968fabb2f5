"""Results of a method over all folds and draws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from calm_pl.metrics.intervals import Interval
from calm_pl.metrics.jackknife import Chance, Predicted, jackknife_intervals
from calm_pl.metrics.score_intervals import calibration_chance, eer_chance, precision_chance
from calm_pl.metrics.suite import RoundResult


class Spread(NamedTuple):
    """Standard deviations (n - 1) of a metric; None for a single value.

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
        ci95: 95 % intervals for new clips and draws, by metric.
        ci95_parts: the intervals from clips alone and from draws alone; only with several draws.
        n: number of questions per draw.
        clips: number of clips that they are about.
        rounds: by fold, then by draw.
        confusion_CC: mean counts per draw, over all folds, float64; rows are the truth.
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


def summarise(rounds: Sequence[Sequence[RoundResult]], predictions: Predicted) -> MethodResult:
    """Summarise rounds by means, spreads and intervals.

    Args:
        rounds: results by fold, then by draw.
        predictions: the same predictions, question by question.
    """
    names = list(rounds[0][0].values)
    values_FDM = np.array([[[one.values[name] for name in names] for one in fold] for fold in rounds])
    confusion_CC = np.sum([one.confusion_CC for fold in rounds for one in fold], axis=0) / len(rounds[0])
    chances = jackknife_intervals(predictions, len(confusion_CC)) | _of_scores(rounds, predictions)
    return MethodResult(
        {name: round(float(values_FDM[..., m].mean()), 6) for m, name in enumerate(names)},
        {name: spread_of(values_FDM[..., m]) for m, name in enumerate(names)},
        {name: chance.both for name, chance in chances.items()},
        chances if len(rounds[0]) > 1 else {},
        sum(fold[0].n for fold in rounds),
        sum(fold[0].clips for fold in rounds),
        [list(fold) for fold in rounds],
        confusion_CC,
    )


def _of_scores(rounds: Sequence[Sequence[RoundResult]], predictions: Predicted) -> dict[str, Chance]:
    """Return intervals of the metrics of scores that apply."""
    found = {}
    confidence_QD, positive = predictions.confidence_QD, predictions.positive
    if confidence_QD is not None and positive is not None:
        # Of two classes the other has what the predicted one leaves; without a prediction both have 0.
        other_QD = np.where(predictions.predicted_QD < 2, 1 - confidence_QD, 0.0)
        score_QD = np.where(predictions.predicted_QD == positive, confidence_QD, other_QD)
        is_positive_Q = predictions.label_Q == positive
        found["eer"] = eer_chance(score_QD, is_positive_Q, predictions.fold_Q, predictions.whole_Q)
    left_out_FDN = [[one.left_out_N for one in fold if one.left_out_N is not None] for fold in rounds]
    if all(left_out_FDN):
        points_FD = np.array([[one.values["map"] for one in fold] for fold in rounds])
        without = []
        for left_out_DN, points_D in zip(left_out_FDN, points_FD, strict=True):
            moved_DN = np.stack(left_out_DN) - points_D[:, None]
            asked = np.isin(predictions.clip_Q, np.flatnonzero(~np.isnan(moved_DN[0])))
            clip_n, first_n = np.unique(predictions.clip_Q[asked], return_index=True)
            cluster_n = np.unique(predictions.whole_Q[asked][first_n], return_inverse=True)[1]
            moved_DK = np.stack([np.bincount(cluster_n, moved_N[clip_n]) for moved_N in moved_DN])
            without.append(points_D[:, None] + moved_DK)
        found["map"] = precision_chance(points_FD, without, sum(fold[0].clips for fold in rounds))
    if confidence_QD is not None:
        right_QD = predictions.predicted_QD == predictions.label_Q[:, None]
        found["ece"] = calibration_chance(confidence_QD, right_QD, predictions.whole_Q)
    return found


def spread_of(values_FD: np.ndarray) -> Spread:
    """Return the spread of values given by fold, then by draw."""
    return Spread(_deviation(values_FD.mean(0)), _deviation(values_FD.mean(1)))


def _deviation(values: np.ndarray) -> float | None:
    return round(float(values.std(ddof=1)), 6) if len(values) > 1 else None
