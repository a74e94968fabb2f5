"""Finished runs in Python: a row per run and method, as dicts or as a data frame."""

from __future__ import annotations

import html
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from rich.console import Console, ConsoleOptions, RenderableType

from calm_pl.errors import RunError
from calm_pl.methods import METHODS
from calm_pl.metrics.info import METRICS
from calm_pl.metrics.method_results import html_table
from calm_pl.report.markdown import markdown_text
from calm_pl.report.overview import Mark, overview
from calm_pl.report.overview_cells import NEAR, told
from calm_pl.report.overview_terminal import overview_parts, print_overview
from calm_pl.runs.entries import deviation_of, model_of
from calm_pl.runs.folder import RunFolder, find_runs

_WIDTH = 100
_SETTINGS = ("shots", "n_options", "fold", "draws")


class Results:
    """Results of runs; shown as their table.

    Attributes:
        runs: the run folders.
        rows: a dict per run and method: `run`, `path`, `benchmark`, `model`, `mask`, `method` (its key),
            `title`, `shots`, `n_options`, `fold`, `draws` (None where a run has no configuration), `limited`,
            `n` (questions per draw), and for each metric METRIC, as fractions, `METRIC`, `METRIC_sd` (over
            draws, else over folds), `METRIC_low` and `METRIC_high` (95 %).
    """

    detailed: ClassVar[bool] = False
    """Whether the table has every metric with its interval."""

    def __init__(self, runs: Sequence[RunFolder]) -> None:
        self.runs = tuple(runs)
        self.rows = [_row(run, method, entry) for run in self.runs for method, entry in run.methods.items()]

    def to_pandas(self) -> Any:
        """Return the rows as a `pandas.DataFrame`.

        Raises:
            RunError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise RunError(
                "A data frame needs pandas: pip install pandas. `.rows` has the same without it."
            ) from error
        return pandas.DataFrame(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        text = io.StringIO()
        print_overview(
            overview(self.runs, self.detailed),
            Console(file=text, width=_WIDTH, force_terminal=False, force_jupyter=False),
        )
        return text.getvalue().strip("\n")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        yield from overview_parts(overview(self.runs, self.detailed), options.max_width)

    def _repr_html_(self) -> str:
        table = overview(self.runs, self.detailed)
        several = len(table.models) > 1
        heads = [*(["model"] if several else []), "method", *(", ".join(one.lines) for one in table.columns)]
        rows: list[list[str]] = []
        bold = set()
        for row in table.rows:
            names = [row.model, row.method] if several else [row.method]
            bold |= {
                (len(rows), len(names) + place)
                for place, cell in enumerate(row.cells)
                if cell is not None and cell.mark is Mark.BEST
            }
            marks = [f" {NEAR}" if cell and cell.mark is Mark.NEAR else "" for cell in row.cells]
            texts = [told(cell) + mark for cell, mark in zip(row.cells, marks, strict=True)]
            rows.append([*names, *texts])
        notes = [*table.legend("Bold", NEAR), *table.notes]
        return html_table(heads, rows, bold) + "".join(
            f"<div><small>{html.escape(n)}</small></div>" for n in notes
        )

    def _repr_markdown_(self) -> str:
        return markdown_text(overview(self.runs, self.detailed))


def load_results(paths: str | Path | Iterable[str | Path] = "runs") -> Results:
    """Read the results of finished runs.

    Args:
        paths: a run folder or a folder of run folders, of which unfinished ones are passed over; or several.

    Raises:
        RunError: a path is neither.
    """
    return Results(find_runs([paths] if isinstance(paths, (str, Path)) else paths))


def _row(run: RunFolder, method: str, entry: dict[str, Any]) -> dict[str, Any]:
    model, mask = model_of(run)
    data = run.config.get("data", {})
    row = {
        "run": run.name,
        "path": str(run.path),
        "benchmark": run.results["benchmark"],
        "model": model,
        "mask": mask or None,
        "method": method,
        "title": METHODS.title(method),
        **{name: data.get(name) for name in _SETTINGS},
        "limited": run.results.get("limited"),
        "n": entry.get("n"),
    }
    for metric in METRICS:
        if metric.key in entry:
            row[metric.key] = entry[metric.key]
            row[f"{metric.key}_sd"] = deviation_of(entry, metric.key)
            if metric.interval:
                low, high = entry.get("ci95", {}).get(metric.key, (None, None))
                row |= {f"{metric.key}_low": low, f"{metric.key}_high": high}
    return row
