"""The table of metrics: one row holds everything that other packages need to know of a metric. No torch."""

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
"""What a metric can read from a batch of questions, see `MethodMetrics.update`; `right_q` is bool."""
SIZES = ("num_classes", "num_outcomes", "num_questions", "num_clips", "positive")
"""What a metric can know about its task, see `MetricSizes`."""


class TaskKind(Enum):
    """Kind of a task, by its labels."""

    ONE_LABEL = "one label"
    """Each clip has one class."""
    SEVERAL_LABELS = "several labels"
    """A clip may have several classes, with one question for each."""
    DETECTION = "detection"
    """One of two classes is to be detected, such as spoofed speech."""


ALL_KINDS = frozenset(TaskKind)


@dataclass(frozen=True)
class MetricInfo:
    """One row.

    Attributes:
        key: name in files and Python.
        title: name in tables and figures.
        description: what it measures, in one line.
        measure: its `torchmetrics.Metric` as `module:Class`, imported on use; `compute` returns one number.
            One metric is created per method and round.
        reads: the arguments of its `update`, in order, among `READS`.
        sizes: arguments of the class that depend on the task, each one of `SIZES`.
        arguments: further arguments of the class, the same in every job.
        higher_is_better: whether a higher value is better; False for an error rate.
        computed_for: kinds of tasks for which it is computed.
        shown_for: kinds of tasks for which tables and pages show it; `results.json` always has it.
        main_for: kinds of tasks whose main metric it is: figures show it, and a sweep's oracle is selected by
            it. Of several rows the last one counts.
        interval: whether it has a 95 % interval; only built-in metrics can have one.
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
                "Expected the key of a metric to have only lower-case letters, digits and underscores, and"
                f" not to be one of {', '.join(_TAKEN)}, but got {self.key!r}."
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
            raise ValueError(f"Expected {self.key} to be computed for every kind of task in `main_for`.")

    def make(self, sizes: MetricSizes) -> Metric:
        """Import its class and return a new metric.

        Args:
            sizes: sizes of the task.

        Raises:
                ConfigError: the class is missing, or does not accept the row's arguments.
        """
        module, name = self.measure.split(":")
        given = {argument: getattr(sizes, size) for argument, size in self.sizes.items()}
        try:
            made: Metric = getattr(importlib.import_module(module), name)(**self.arguments, **given)
            return made
        except Exception as error:  # code of others may raise anything
            raise ConfigError(
                [
                    f"metrics: {self.key}: {self.measure} cannot be created with"
                    f" {dict(self.arguments) | given}: {type(error).__name__}: {error}"
                ]
            ) from error


_TAKEN = (
    *("case", "method", "chosen", "fold", "draw", "shots", "heads", "n_support", "n", "hash", "ece"),
    *("tau_p", "tau_w", "top_k", "score", "reliability", "weight_map", "shrinkage", "reliability_split"),
    *("sav_top_k", "heldout_shots", "n_options", "candidates", "last_n_tokens"),
    *(
        "ci95",
        "ci95_parts",
        "sd",
        "rounds",
        "answered_by",
        "transductive",
        "chosen_on",
        "settings",
        "parse_failure_rate",
    ),
)
"""Keys in use: other columns of `sweep.csv` and other entries of a method in `results.json`."""


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
        """Append the row of a plugin or another package.

        Raises:
            ConfigError: another row has the key, or the row asks for an interval, which only built-in metrics
                have.
        """
        if row.interval and row.key not in self._with_interval:
            raise ConfigError(
                [f"metrics: {row.key} must have interval=False: only built-in metrics have intervals"]
            )
        super().add(row)

    def computed(self, kinds: Collection[TaskKind]) -> list[MetricInfo]:
        """Return the metrics computed for a task."""
        return [row for row in self if row.computed_for.intersection(kinds)]

    def shown(self, kinds: Collection[TaskKind]) -> list[MetricInfo]:
        """Return the metrics shown for a task."""
        return [row for row in self.computed(kinds) if row.shown_for.intersection(kinds)]

    def main(self, kinds: Collection[TaskKind], among: Collection[str] | None = None) -> MetricInfo:
        """Return the main metric of a task.

        Args:
            kinds: kinds of the task.
            among: keys that a run has, perhaps of an earlier version; all if None.
        """
        found = [row for row in self if row.main_for.intersection(kinds)]
        return [row for row in found if among is None or row.key in among][-1]


def kinds_of(multi_label: bool, positive: object) -> frozenset[TaskKind]:
    """Return the kinds of a task.

    Args:
        multi_label: whether a clip may have several classes.
        positive: the class to detect; None if there is none.
    """
    found = {TaskKind.SEVERAL_LABELS} if multi_label else set[TaskKind]()
    found |= set() if positive is None else {TaskKind.DETECTION}
    return frozenset(found or {TaskKind.ONE_LABEL})


def kinds_in(entry: Mapping[str, Any]) -> frozenset[TaskKind]:
    """Return the kinds of a task, from a method's entry in `results.json`."""
    return kinds_of("map" in entry, True if "eer" in entry else None)


METRICS = MetricTable(
    [
        MetricInfo(
            "accuracy",
            "accuracy",
            "Share of questions predicted correctly.",
            "torchmetrics.classification:MulticlassAccuracy",
            sizes=MappingProxyType({"num_classes": "num_outcomes"}),
            arguments=MappingProxyType({"average": "micro", "validate_args": False}),
            main_for=frozenset({TaskKind.ONE_LABEL}),
            interval=True,
        ),
        MetricInfo(
            "macro_f1",
            "Macro-F1",
            "Mean F1 over the classes that occur.",
            "calm_pl.metrics.macro_f1:MacroF1",
            sizes=MappingProxyType({"num_classes": "num_classes", "num_outcomes": "num_outcomes"}),
            shown_for=ALL_KINDS - {TaskKind.SEVERAL_LABELS},
            main_for=frozenset({TaskKind.DETECTION}),
            interval=True,
        ),
        MetricInfo(
            "exact_match",
            "exact match",
            "Share of clips with every question predicted correctly.",
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
            "Mean average precision over classes, for clips with several labels.",
            "calm_pl.metrics.ranking:ClipAveragePrecision",
            ("proba_qC", "label_q", "clip_q"),
            MappingProxyType({"num_clips": "num_clips", "num_classes": "num_classes"}),
            computed_for=frozenset({TaskKind.SEVERAL_LABELS}),
            interval=True,
        ),
        MetricInfo(
            "eer",
            "EER",
            "Equal error rate of detecting the positive class.",
            "calm_pl.metrics.ranking:EqualErrorRate",
            ("proba_qC", "label_q", "index_q"),
            MappingProxyType({"num_questions": "num_questions", "positive": "positive"}),
            higher_is_better=False,
            computed_for=frozenset({TaskKind.DETECTION}),
            interval=True,
        ),
    ]
)
