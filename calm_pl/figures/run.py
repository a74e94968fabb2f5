"""The figures of a run, from plain facts about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from calm_pl.figures.agreement import Agreement, agreement_figure
from calm_pl.figures.calibration import Judged, calibration_figure
from calm_pl.figures.class_reliability import class_reliability_figure
from calm_pl.figures.confusion import confusion_figure
from calm_pl.figures.det import Scored, det_figure
from calm_pl.figures.head_map import head_map_figure, strongest_counts
from calm_pl.figures.methods import Estimate, methods_figure
from calm_pl.figures.survival import survival_figure
from calm_pl.methods import METHODS

CALM = "CALM"


class MethodPredictions(NamedTuple):
    """Predictions of one method, by question and draw.

    Attributes:
        predicted_N: class indices; C if there is no prediction.
        confidence_N: probability of each prediction.
    """

    predicted_N: np.ndarray
    confidence_N: np.ndarray


class HeadFacts(NamedTuple):
    """CALM's heads in the first round.

    Attributes:
        weights_CH: (C, H).
        reliability_CH: (C, H).
        num_layers: L; None if unknown.
    """

    weights_CH: np.ndarray
    reliability_CH: np.ndarray
    num_layers: int | None


class RunFacts(NamedTuple):
    """A finished run. Methods are named by their titles, such as `CALM-Global`.

    Attributes:
        classes: labels in class order.
        label_N: true classes of all predictions, question by question, then by draw.
        num_draws: number of support draws; counts are divided by it.
        predictions: predictions by method.
        estimates: value and interval of the main metric by method.
        metric: name of that metric.
        positive: index of the class to detect, in two-class tasks.
        heads: CALM's heads, if it is among the methods.
        agreement: head overlap by method, if there are several rounds.
    """

    classes: Sequence[str]
    label_N: np.ndarray
    num_draws: int
    predictions: Mapping[str, MethodPredictions]
    estimates: Mapping[str, Estimate]
    metric: str
    positive: int | None
    heads: HeadFacts | None
    agreement: Mapping[str, Agreement]


class Drawing(NamedTuple):
    """A figure that can be drawn.

    Attributes:
        name: name of its files.
        title: a few words.
        caption: a sentence.
        draw: draws it in a theme, with a width in inches or, for None, its usual width.
    """

    name: str
    title: str
    caption: str
    draw: Callable[[str, float | None], Figure]


class LeftOut(NamedTuple):
    """A figure that cannot be drawn for a run, and why."""

    name: str
    reason: str


def run_drawings(facts: RunFacts, method: str | None = None) -> list[Drawing | LeftOut]:
    """Return all figures of a run, in the order of the page.

    Args:
        facts: facts about the run.
        method: method whose confusions are shown; the one that `predict` prefers if None.
    """
    return [
        _methods(facts),
        _confusion(
            facts, method or next((title for title in _preferred() if title in facts.predictions), None)
        ),
        _calibration(facts),
        _det(facts),
        *_of_heads(facts),
        _agreement(facts),
    ]


def _preferred() -> list[str]:
    """Return the titles of the methods that `predict` prefers, in order."""
    return [METHODS.title(key) for key in METHODS.preferred()]


def confusion_counts(facts: RunFacts, method: str) -> np.ndarray:
    """Return mean counts per draw (C, C), with a last column for missing predictions, if any."""
    predicted_N, size = facts.predictions[method].predicted_N, len(facts.classes)
    columns = size + int((predicted_N == size).any())
    counts = np.bincount(facts.label_N * columns + predicted_N, minlength=size * columns)
    return counts.reshape(size, columns) / facts.num_draws


def _methods(facts: RunFacts) -> Drawing:
    over = " Faint dots are single folds or draws." if any(e.rounds for e in facts.estimates.values()) else ""
    known = any(one.low is not None for one in facts.estimates.values())
    intervals = " with 95 % intervals" if known else " of each method"
    return Drawing(
        "methods",
        f"{facts.metric[0].upper()}{facts.metric[1:]} of each method",
        f"{facts.metric[0].upper()}{facts.metric[1:]}{intervals}.{over}",
        lambda theme, width: methods_figure(facts.estimates, facts.metric, theme=theme, **_wide(width)),
    )


def _confusion(facts: RunFacts, method: str | None) -> Drawing | LeftOut:
    method = method or next(iter(facts.predictions))
    counts = confusion_counts(facts, method)
    shares = "mean counts per draw" if facts.num_draws > 1 else "counts"
    return Drawing(
        "confusion",
        f"Confusions of {method}",
        f"Confusion matrix of {method}, with confused classes next to each other; colour is the share of the"
        f" true class's predictions, and the list has the largest confusions ({shares}).",
        lambda theme, width: confusion_figure(counts, facts.classes, theme=theme, **_wide(width)),
    )


def _calibration(facts: RunFacts) -> Drawing:
    judged = {
        name: Judged(one.confidence_N, one.predicted_N == facts.label_N)
        for name, one in facts.predictions.items()
    }
    return Drawing(
        "calibration",
        "Calibration",
        "Accuracy by confidence in 15 bins with Wilson intervals, and the expected calibration error (ECE);"
        " grey bars are the shares of predictions.",
        lambda theme, width: calibration_figure(judged, theme=theme, **_wide(width)),
    )


def _det(facts: RunFacts) -> Drawing | LeftOut:
    if facts.positive is None:
        return LeftOut("det", "the benchmark has no class to detect")
    positive_N = facts.label_N == facts.positive
    if positive_N.all() or not positive_N.any():
        return LeftOut("det", "all clips are of one class")
    scored = {
        # With two classes, one probability determines the other.
        name: Scored(
            np.where(one.predicted_N == facts.positive, one.confidence_N, 1 - one.confidence_N), positive_N
        )
        for name, one in facts.predictions.items()
    }
    pooled = ", pooled over draws" if facts.num_draws > 1 else ""
    return Drawing(
        "det",
        "False acceptances and false rejections",
        f"Detection error trade-off of the score of {facts.classes[facts.positive]}{pooled}; marks are equal"
        " error rates.",
        lambda theme, width: det_figure(scored, theme=theme, **_wide(width)),
    )


def _of_heads(facts: RunFacts) -> list[Drawing | LeftOut]:
    names = ("survival", "head_map", "class_reliability")
    if facts.heads is None:
        return [LeftOut(name, "calm is not among the methods") for name in names]
    weights_CH, reliability_CH, num_layers = facts.heads
    of_first = ""
    if facts.agreement:
        of_first = " (first fold and draw)"
    drawings: list[Drawing | LeftOut] = [
        Drawing(
            "survival",
            "Head weights by class",
            f"Share of heads whose CALM weight exceeds w, for classes from the most to the least concentrated"
            f" weights{of_first}; dashed lines are uniform weights over k heads.",
            lambda theme, width: survival_figure(weights_CH, facts.classes, theme=theme, **_wide(width)),
        )
    ]
    if num_layers is None:
        drawings.append(LeftOut("head_map", "the number of layers is not in results.json"))
    else:
        counts_LA = strongest_counts(weights_CH, num_layers)
        drawings.append(
            Drawing(
                "head_map",
                "Strongest heads",
                "Number of classes for which each head has the largest CALM weight"
                f"{of_first}, with sums by layer and by head; {_most(counts_LA)} of {len(facts.classes)}.",
                lambda theme, width: head_map_figure(counts_LA, theme=theme, **_wide(width)),
            )
        )
    counts = confusion_counts(facts, CALM)
    seen_C = counts.sum(1) > 0
    if not seen_C.any():
        return drawings
    accuracy_C = counts.diagonal()[seen_C] / counts.sum(1)[seen_C]
    questions_C = np.rint(counts.sum(1)[seen_C]).astype(int)
    promise_C = (weights_CH * reliability_CH).sum(1)[seen_C]
    seen = [label for label, kept in zip(facts.classes, seen_C, strict=True) if kept]
    drawings.append(
        Drawing(
            "class_reliability",
            "Reliability and accuracy by class",
            "Mean reliability of each class's heads on the support, weighted as they vote"
            f"{of_first}, against CALM's accuracy on the class's query clips, with 95 % (Wilson)"
            " intervals.",
            lambda theme, width: class_reliability_figure(
                promise_C, accuracy_C, seen, questions_C, theme=theme, **_wide(width)
            ),
        )
    )
    return drawings


def _most(counts_LA: np.ndarray) -> str:
    """Say which head is the strongest for most classes, or how many heads share that place."""
    most = int(counts_LA.max())
    places = np.argwhere(counts_LA == most)
    if len(places) > 1:
        return f"{len(places)} heads have the most, {most}"
    layer, head = places[0]
    return f"layer {layer}, head {head} has the most, {most}"


def _agreement(facts: RunFacts) -> Drawing | LeftOut:
    if not facts.agreement:
        return LeftOut("head_agreement", "the run has one fold and one draw")
    return Drawing(
        "head_agreement",
        "Agreement between supports on heads",
        "Share of the k most reliable heads that two supports (folds, draws) have in common, mean over pairs;"
        " the band covers 90 % of classes.",
        lambda theme, width: agreement_figure(facts.agreement, theme=theme, **_wide(width)),
    )


def _wide(width: float | None) -> dict[str, Any]:
    return {} if width is None else {"width": width}
