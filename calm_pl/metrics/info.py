"""The table of metrics: one row has everything that other packages need to know of a metric. No torch."""

from __future__ import annotations

import importlib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from calm_pl.errors import ConfigError
from calm_pl.rows import RowTable

if TYPE_CHECKING:
    from torchmetrics import Metric

    from calm_pl.metrics.suite import MetricSizes

ENTRY_POINTS = "calm_pl.metrics"
READS = ("predicted_q", "proba_qC", "label_q", "right_q", "clip_q", "index_q")
"""What a metric can read of a batch of questions, see `MethodMetrics.update`; `right_q` is bool."""
SIZES = ("num_classes", "num_answers", "num_questions", "num_clips", "positive")
"""What a metric can know of its task, see `MetricSizes`."""


class TaskKind(Enum):
    """Kind of labels a task has."""

    ONE_LABEL = "one label"
    """Each clip has one class."""
    SEVERAL_LABELS = "several labels"
    """A clip may have several classes, and is asked about each."""
    DETECTION = "detection"
    """One of two classes is to be detected, such as spoofed speech."""


ALL_KINDS = frozenset(TaskKind)


@dataclass(frozen=True)
class MetricInfo:
    """One row.

    Attributes:
        key: its name in files and Python.
        title: its name in tables and figures.
        description: what it measures, in a line.
        measure: where its `torchmetrics.Metric` is, `module:Class`, imported on use; `compute` returns one
            number. One metric is made for each method and round.
        reads: what the arguments of its `update` are, in their order, among `READS`.
        sizes: arguments of the class by what they are of the task, among `SIZES`.
        arguments: further ones, the same in every job.
        higher_is_better: whether a higher value is better; for an error rate it is a lower one.
        computed_for: kinds of tasks that it is computed for.
        shown_for: kinds of tasks whose tables and pages show it; `results.json` has it all the same.
        main_for: kinds of tasks that it decides: figures show it, and the oracle of a sweep goes by it. Of
            several rows the last one counts.
        interval: whether it has a 95 % interval. The jackknife knows the built-in ones only.
    """

    key: str
    title: str
    description: str
    measure: str
    reads: tuple[str, ...] = ("predicted_q", "label_q")
    sizes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    arguments: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    higher_is_better: bool = True
    computed_for: frozenset[TaskKind] = ALL_KINDS
    shown_for: frozenset[TaskKind] = ALL_KINDS
    main_for: frozenset[TaskKind] = frozenset()
    interval: bool = False

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.key) or self.key in _TAKEN:
            raise ValueError(
                "Expected the key of a metric to be lower-case letters, digits and underscores, and none of"
                f" {', '.join(_TAKEN)}, but got {self.key!r}."
            )
        if not re.fullmatch(r"[\w.]+:\w+", self.measure):
            raise ValueError(
                f"Expected the measure of {self.key} as 'module:Class', but got {self.measure!r}."
            )
        for name, given, known in (
            ("reads", self.reads, READS),
            ("sizes", self.sizes.values(), SIZES),
        ):
            unknown = [one for one in given if one not in known]
            if unknown:
                raise ValueError(
                    f"Expected `{name}` of {self.key} among {', '.join(known)}, but got {unknown[0]!r}."
                )
        if not self.main_for <= self.computed_for:
            raise ValueError(f"Expected {self.key} to be computed for the tasks that it is the main one of.")

    def make(self, sizes: MetricSizes) -> Metric:
        """Import its class and return a new metric.

        Args:
            sizes: of the task.

        Raises:
            ConfigError: the class is not there, or does not take the arguments of the row.
        """
        module, name = self.measure.split(":")
        given = {argument: getattr(sizes, size) for argument, size in self.sizes.items()}
        try:
            made: Metric = getattr(importlib.import_module(module), name)(**self.arguments, **given)
            return made
        except Exception as error:  # another's code may raise anything
            raise ConfigError(
                [
                    f"metrics: {self.key}: {self.measure} cannot be made with"
                    f" {dict(self.arguments) | given}: {type(error).__name__}: {error}"
                ]
            ) from error


_TAKEN = (
    *("case", "method", "chosen", "fold", "draw", "shots", "heads", "n_support", "n", "hash", "ece"),
    *("tau_p", "tau_w", "top_k", "score", "reliability", "weight_map", "shrinkage", "reliability_split"),
    *("sav_top_k", "heldout_shots", "n_options", "candidates", "last_n_tokens"),
    *("ci95", "ci95_parts", "sd", "rounds", "answered_by", "chosen_on", "settings", "parse_failure_rate"),
)
"""Other columns of `sweep.csv` and other entries of a method in `results.json`."""


class MetricTable(RowTable[MetricInfo]):
    """Metrics by key, in the order of a table.

    Args:
        rows: the built-in ones.
    """

    def __init__(self, rows: Iterable[MetricInfo]) -> None:
        rows = tuple(rows)
        super().__init__(MetricInfo, ENTRY_POINTS, "metrics", rows)
        self._with_interval = {row.key for row in rows if row.interval}

    def add(self, row: MetricInfo) -> None:
        """Add the row of a plugin or another package, behind those that are there.

        Raises:
            ConfigError: the key is taken by another row, or it has an interval that nothing computes.
        """
        if row.interval and row.key not in self._with_interval:
            raise ConfigError(
                [f"metrics: {row.key} must have interval=False: the jackknife knows the built-in ones only"]
            )
        super().add(row)

    def computed(self, kinds: Collection[TaskKind]) -> list[MetricInfo]:
        """Return the metrics that are computed for a task."""
        return [row for row in self if row.computed_for.intersection(kinds)]

    def shown(self, kinds: Collection[TaskKind]) -> list[MetricInfo]:
        """Return the metrics that say something about a task."""
        return [row for row in self.computed(kinds) if row.shown_for.intersection(kinds)]

    def main(self, kinds: Collection[TaskKind], among: Collection[str] | None = None) -> MetricInfo:
        """Return the metric that a task is decided by.

        Args:
            kinds: of the task.
            among: keys that a run has, perhaps one of an earlier version; all where None.
        """
        found = [row for row in self if row.main_for.intersection(kinds)]
        return [row for row in found if among is None or row.key in among][-1]


def kinds_of(multi_label: bool, positive: object) -> frozenset[TaskKind]:
    """Return what kinds a task is of.

    Args:
        multi_label: whether a clip may have several classes.
        positive: the class that is to be detected; None where there is none.
    """
    found = {TaskKind.SEVERAL_LABELS} if multi_label else set[TaskKind]()
    found |= set() if positive is None else {TaskKind.DETECTION}
    return frozenset(found or {TaskKind.ONE_LABEL})


def kinds_in(entry: Mapping[str, Any]) -> frozenset[TaskKind]:
    """Return the same from a method's entry in `results.json`."""
    return kinds_of("map" in entry, True if "eer" in entry else None)


METRICS = MetricTable(
    [
        MetricInfo(
            "accuracy",
            "accuracy",
            "Share of right answers.",
            "torchmetrics.classification:MulticlassAccuracy",
            sizes=MappingProxyType({"num_classes": "num_answers"}),
            arguments=MappingProxyType({"average": "micro"}),
            main_for=frozenset({TaskKind.ONE_LABEL}),
            interval=True,
        ),
        MetricInfo(
            "macro_f1",
            "Macro-F1",
            "Mean F1 over the classes that occur.",
            "calm_pl.metrics.macro_f1:MacroF1",
            sizes=MappingProxyType({"num_classes": "num_classes", "num_answers": "num_answers"}),
            shown_for=ALL_KINDS - {TaskKind.SEVERAL_LABELS},
            main_for=frozenset({TaskKind.DETECTION}),
            interval=True,
        ),
        MetricInfo(
            "exact_match",
            "exact match",
            "Share of clips all of whose questions are answered rightly.",
            "calm_pl.metrics.exact_match:ClipExactMatch",
            ("right_q", "clip_q"),
            MappingProxyType({"num_clips": "num_clips"}),
            shown_for=frozenset({TaskKind.SEVERAL_LABELS}),
            main_for=frozenset({TaskKind.SEVERAL_LABELS}),
            interval=True,
        ),
        MetricInfo(
            "map",
            "mAP",
            "Mean average precision over classes, of clips with several labels.",
            "calm_pl.metrics.ranking:ClipAveragePrecision",
            ("proba_qC", "label_q", "clip_q"),
            MappingProxyType({"num_clips": "num_clips", "num_classes": "num_classes"}),
            computed_for=frozenset({TaskKind.SEVERAL_LABELS}),
        ),
        MetricInfo(
            "eer",
            "EER",
            "Equal error rate of the class that is to be detected.",
            "calm_pl.metrics.ranking:EqualErrorRate",
            ("proba_qC", "label_q", "index_q"),
            MappingProxyType({"num_questions": "num_questions", "positive": "positive"}),
            higher_is_better=False,
            computed_for=frozenset({TaskKind.DETECTION}),
        ),
    ]
)
