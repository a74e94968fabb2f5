"""Metrics as torchmetrics, and intervals. Floor 2. States are sums, so any number of ranks gives the same."""

from calm_pl.metrics.calibration import abstention, calibration, set_coverage
from calm_pl.metrics.exact_match import ClipExactMatch
from calm_pl.metrics.intervals import bootstrap_macro_f1, macro_f1, wilson
from calm_pl.metrics.paired import estimate, mcnemar, paired_difference
from calm_pl.metrics.predictions import PredictionTable
from calm_pl.metrics.suite import MethodMetrics, MethodResult

__all__ = [
    "ClipExactMatch",
    "MethodMetrics",
    "MethodResult",
    "PredictionTable",
    "abstention",
    "bootstrap_macro_f1",
    "calibration",
    "estimate",
    "macro_f1",
    "mcnemar",
    "paired_difference",
    "set_coverage",
    "wilson",
]
