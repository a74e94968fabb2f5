"""Metrics based on torchmetrics, and intervals. Floor 2. States are sums, so ranks simply add up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calm_pl.lazy_names import lazy_names

if TYPE_CHECKING:
    from calm_pl.metrics.breakdown import SubsetResult, break_down
    from calm_pl.metrics.calibration import (
        abstention,
        calibration_scores,
        set_coverage,
        winner_calibration_error,
    )
    from calm_pl.metrics.differences import Difference, clusters, pairwise_differences
    from calm_pl.metrics.exact_match import ClipExactMatch
    from calm_pl.metrics.info import METRICS, MetricInfo, MetricTable, TaskKind
    from calm_pl.metrics.intervals import macro_f1, wilson
    from calm_pl.metrics.jackknife import Chance, Predicted, jackknife_intervals
    from calm_pl.metrics.method_results import MethodResults
    from calm_pl.metrics.paired import estimate, mcnemar, paired_difference
    from calm_pl.metrics.predictions import PredictionTable
    from calm_pl.metrics.ranking import ClipAveragePrecision, EqualErrorRate
    from calm_pl.metrics.suite import MethodMetrics, MetricSizes, RoundResult
    from calm_pl.metrics.summary import MethodResult, Spread, spread_of, summarise

__all__ = [
    "METRICS",
    "Chance",
    "ClipAveragePrecision",
    "ClipExactMatch",
    "Difference",
    "EqualErrorRate",
    "MethodMetrics",
    "MethodResult",
    "MethodResults",
    "MetricInfo",
    "MetricSizes",
    "MetricTable",
    "Predicted",
    "PredictionTable",
    "RoundResult",
    "Spread",
    "SubsetResult",
    "TaskKind",
    "abstention",
    "break_down",
    "calibration_scores",
    "clusters",
    "estimate",
    "jackknife_intervals",
    "macro_f1",
    "mcnemar",
    "paired_difference",
    "pairwise_differences",
    "set_coverage",
    "spread_of",
    "summarise",
    "wilson",
    "winner_calibration_error",
]
__getattr__ = lazy_names(
    __name__,
    {
        "breakdown": ("SubsetResult", "break_down"),
        "calibration": ("abstention", "calibration_scores", "set_coverage", "winner_calibration_error"),
        "differences": ("Difference", "clusters", "pairwise_differences"),
        "exact_match": ("ClipExactMatch",),
        "info": ("METRICS", "MetricInfo", "MetricTable", "TaskKind"),
        "intervals": ("macro_f1", "wilson"),
        "jackknife": ("Predicted", "Chance", "jackknife_intervals"),
        "method_results": ("MethodResults",),
        "paired": ("estimate", "mcnemar", "paired_difference"),
        "predictions": ("PredictionTable",),
        "ranking": ("ClipAveragePrecision", "EqualErrorRate"),
        "suite": ("MethodMetrics", "MetricSizes", "RoundResult"),
        "summary": ("MethodResult", "Spread", "spread_of", "summarise"),
    },
)
