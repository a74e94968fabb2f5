"""Compare runs: each method in each run, and its difference from the first run on shared clips."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from calm_pl.errors import RunError
from calm_pl.methods.table import ORACLE_SUFFIX
from calm_pl.metrics import paired_difference
from calm_pl.metrics.info import MetricInfo
from calm_pl.metrics.intervals import Interval
from calm_pl.metrics.paired import Estimate
from calm_pl.runs.folder import LIMITED, RunFolder
from calm_pl.runs.predictions import RunPredictions


class Shared(NamedTuple):
    """Questions that two runs share: the same clip and the same label.

    Attributes:
        first_q: their positions in the first run.
        second_q: their positions in the second, in the same order.
    """

    first_q: np.ndarray
    second_q: np.ndarray


class RunDifference(NamedTuple):
    """A method's accuracy in a run minus that in the first run, on the questions of both.

    Attributes:
        method: key of the method.
        run: position of the run among `runs`.
        questions: number of shared questions.
        difference: difference of the accuracies, means over draws.
        interval: 95 %, paired, over clusters of clips, and over draws where both have as many.
        p_value: two-sided, of the same test as the interval.
    """

    method: str
    run: int
    questions: int
    difference: float
    interval: Interval
    p_value: float

    @property
    def significant(self) -> bool:
        """Whether the difference is significant: its interval does not contain 0."""
        return not self.interval.low <= 0 <= self.interval.high


class Comparison(NamedTuple):
    """Several runs.

    Attributes:
        runs: the runs; the others are compared with the first.
        names: one name per run, all different.
        shared: questions that the first run shares with each of the others.
        differences: differences by method, then by run.
    """

    runs: tuple[RunFolder, ...]
    names: tuple[str, ...]
    shared: tuple[Shared, ...]
    differences: tuple[RunDifference, ...]

    @property
    def methods(self) -> list[str]:
        """All methods, in the order of their first appearance."""
        return list(dict.fromkeys(name for run in self.runs for name in run.methods))

    def of(self, method: str, run: int) -> RunDifference | None:
        """Return a method's difference in a run; None in the first run, or if either lacks the method."""
        return next((one for one in self.differences if (one.method, one.run) == (method, run)), None)


def compare(runs: Sequence[RunFolder]) -> Comparison:
    """Compare runs with the first of them.

    Raises:
        RunError: a run shares no question with the first.
    """
    first, *others = runs
    shared = [_shared(first, other) for other in others]
    differences = [
        _difference(method, number, first.predictions, other.predictions, common)
        for method in first.predictions.methods
        for number, (other, common) in enumerate(zip(others, shared, strict=True), 1)
        if method in other.predictions.methods
    ]
    return Comparison(tuple(runs), names_of(runs), tuple(shared), tuple(differences))


class Ranked(NamedTuple):
    """A method in a run, among all others.

    Attributes:
        rank: 1 is the best; equal values share a rank.
        method: key of the method.
        run: position of the run among those compared.
        near: whether it is not significantly worse than the best, paired over the questions of both runs;
            None where this is not tested.
    """

    rank: int
    method: str
    run: int
    near: bool | None


def ranking(comparison: Comparison, metric: MetricInfo) -> list[Ranked]:
    """Rank every method of every run by a metric, oracles left out.

    Args:
        comparison: the runs.
        metric: what they are ranked by; differences are only tested for the accuracy.
    """
    values = {
        (method, number): run.methods[method][metric.key]
        for method in comparison.methods
        for number, run in enumerate(comparison.runs)
        if run.methods.get(method, {}).get(metric.key) is not None and not method.endswith(ORACLE_SUFFIX)
    }
    sign = -1 if metric.higher_is_better else 1
    ordered = sorted(values, key=lambda one: sign * values[one])
    best = ordered[0] if ordered else None
    found = []
    for one in ordered:
        rank = 1 + sum(sign * other < sign * values[one] for other in values.values())
        tested = best is not None and metric.key == "accuracy" and rank > 1
        near = _is_near(comparison, best, one) if tested and best is not None else None
        found.append(Ranked(rank, *one, near))
    return found


def _is_near(comparison: Comparison, best: tuple[str, int], other: tuple[str, int]) -> bool | None:
    """Return whether a method is not significantly worse than the best; None if they share no question."""
    first, second = (comparison.runs[number].predictions for _, number in (best, other))
    shared = shared_questions(first, second)
    if shared is None:
        return None
    return difference_between(first, second, shared, (best[0], other[0])).interval.high >= 0


def labels_of(names: Sequence[str], longest: int = 14) -> list[str]:
    """Return names of runs for narrow columns: themselves if they are short, else "run 1" and so on."""
    if all(len(name) <= longest for name in names):
        return list(names)
    return [f"run {number}" for number in range(1, len(names) + 1)]


def remarks(comparison: Comparison) -> list[str]:
    """Return the notes on the comparison, one sentence per item."""
    first, *others = comparison.runs
    lines = [
        f"{name} is {LIMITED} ({run.results['limited']} clips per side)."
        for name, run in zip(comparison.names, comparison.runs, strict=True)
        if run.results.get("limited") is not None
    ]
    for name, other, common in zip(comparison.names[1:], others, comparison.shared, strict=True):
        both, here, there = (
            len(common.first_q),
            len(first.predictions.questions),
            len(other.predictions.questions),
        )
        if both == here == there:
            lines.append(f"{name} has the same query set as {comparison.names[0]}: {both:,} questions.")
        else:
            lines.append(
                f"{name} shares {both:,} of its {there:,} questions with {comparison.names[0]} ({here:,}):"
                " accuracies are over its own questions, differences over shared questions only."
            )
        if set(first.predictions.classes) != set(other.predictions.classes):
            lines.append(
                f"{name} has {len(other.predictions.classes)} classes, not {len(first.predictions.classes)}."
            )
        draws = [run.predictions.predicted_QDM.shape[1] for run in (first, other)]
        if draws[0] != draws[1]:
            lines.append(
                f"{name} has {draws[1]} draws of the support, not {draws[0]}: its intervals cover clips only."
            )
    return [
        *lines,
        f"Differences are accuracy minus that of {comparison.names[0]}, with 95 % intervals, paired over"
        " source recordings; one is significant if its interval does not contain 0. About 1 in"
        " 20 comparisons without a real difference will still look significant.",
    ]


def shared_class_accuracies(comparison: Comparison, method: str) -> dict[str, list[float | None]]:
    """Return a method's accuracy by class and run, over the questions that every run has.

    Only classes with such questions, in the order of the first run; None for runs without the method.
    """
    first = comparison.runs[0].predictions
    everywhere = set(first.questions).intersection(
        *(run.predictions.questions for run in comparison.runs[1:])
    )
    columns: list[dict[str, float | None]] = []
    for run in comparison.runs:
        if method not in run.predictions.methods:
            columns.append(dict.fromkeys(first.classes))
            continue
        rows = np.array([q in everywhere for q in run.predictions.questions])
        right_q = run.predictions.right_QDM[rows][..., run.predictions.methods.index(method)].mean(1)
        label_q = run.predictions.label_Q[rows]
        columns.append(
            {run.predictions.classes[c]: float(right_q[label_q == c].mean()) for c in np.unique(label_q)}
        )
    counted = Counter(question.label for question in everywhere)
    return {label: [column[label] for column in columns] for label in first.classes if counted[label]}


def shared_questions(first: RunPredictions, second: RunPredictions) -> Shared | None:
    """Return the questions that two runs share; None if there are none."""
    place = {question: q for q, question in enumerate(second.questions)}
    pairs = [(q, place[one]) for q, one in enumerate(first.questions) if one in place]
    return Shared(*np.array(pairs).T) if pairs else None


def difference_between(
    first: RunPredictions, second: RunPredictions, shared: Shared, methods: tuple[str, str]
) -> Estimate:
    """Estimate the accuracy of a method of the second run minus that of a method of the first.

    Args:
        first: predictions of a run.
        second: of another.
        shared: their shared questions.
        methods: a method of the first and one of the second.
    """
    old_Rn = first.right_QDM[shared.first_q][..., first.methods.index(methods[0])].T
    new_Rn = second.right_QDM[shared.second_q][..., second.methods.index(methods[1])].T
    if len(old_Rn) != len(new_Rn):  # the draws are not paired
        old_Rn, new_Rn = old_Rn.mean(0, keepdims=True), new_Rn.mean(0, keepdims=True)
    return paired_difference(new_Rn, old_Rn, np.array([first.cluster_Q[q] for q in shared.first_q]))


def _shared(first: RunFolder, second: RunFolder) -> Shared:
    shared = shared_questions(first.predictions, second.predictions)
    if shared is None:
        raise RunError(
            f"{second.path} shares no query clip with {first.path} (such as"
            f" {second.predictions.questions[0].clip!r} and {first.predictions.questions[0].clip!r}):"
            " only runs on the same benchmark and fold can be compared."
        )
    return shared


def _difference(
    method: str, run: int, first: RunPredictions, second: RunPredictions, shared: Shared
) -> RunDifference:
    found = difference_between(first, second, shared, (method, method))
    return RunDifference(method, run, len(shared.first_q), found.mean, found.interval, found.p_value)


def names_of(runs: Sequence[RunFolder]) -> tuple[str, ...]:
    """Return the names of the folders; their paths if two have the same name."""
    names = tuple(run.name for run in runs)
    return names if len(set(names)) == len(names) else tuple(str(run.path) for run in runs)
