"""The folder that a run leaves, read back for pages, figures and dashboards. Floor 2, without torch."""

from calm_pl.runs.folder import RunFolder, find_runs, read_results, read_run
from calm_pl.runs.predictions import Question, RunPredictions, read_predictions
from calm_pl.runs.result_rules import results_schema

__all__ = [
    "Question",
    "RunFolder",
    "RunPredictions",
    "find_runs",
    "read_predictions",
    "read_results",
    "read_run",
    "results_schema",
]
