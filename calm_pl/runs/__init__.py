"""The folder that a run leaves, read back for pages, figures and dashboards. Floor 2, without torch."""

from calm_pl.runs.folder import RunFolder, find_runs, read_results, read_run
from calm_pl.runs.predictions import AnswerTable, Question, read_answers

__all__ = ["AnswerTable", "Question", "RunFolder", "find_runs", "read_answers", "read_results", "read_run"]
