"""The table at the end of a job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from calm_pl.commands.job import JobRecord
    from calm_pl.data.base import FewShotDataModule
    from calm_pl.metrics.intervals import Interval
    from calm_pl.module import FitFreeModule

NAMES = {"zero_shot": "zero-shot", "sav": "SAVs", "calm_global": "CALM-Global", "calm": "CALM"}


def print_results(module: FitFreeModule, data: FewShotDataModule, record: JobRecord) -> None:
    """Print every method's metrics, and what a reader must know about them."""
    support = module.support_coverage
    table = Table(
        title=f"{record.benchmark} · {record.model_path}", title_justify="left", box=box.SIMPLE_HEAD
    )
    table.add_column("method", no_wrap=True)
    for name in ("accuracy", "95 %", "Macro-F1", "95 %", "support", "query"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, result in module.results.items():
        table.add_row(
            NAMES[name],
            percent(result.accuracy),
            span(result.ci95["accuracy"]),
            percent(result.macro_f1),
            span(result.ci95["macro_f1"]),
            "0" if name == "zero_shot" else f"{support.used:,}",
            f"{result.n:,}",
        )
    console = Console()
    console.print(table)
    for note in notes(module, data):
        console.print(note, highlight=False)
    console.print(f"Results: {record.run_dir}", highlight=False, soft_wrap=True)
    for offline in sorted(record.run_dir.glob("wandb/offline-run-*"))[-1:]:
        console.print(f"W&B, offline: wandb sync {offline}", highlight=False, soft_wrap=True)


def notes(module: FitFreeModule, data: FewShotDataModule) -> list[str]:
    """What a reader of the numbers must know, a sentence each."""
    support, query = module.support_coverage, module.query_coverage
    options = data.query[0].options
    lines = ["Accuracy in %, intervals over clips (Wilson; bootstrap for Macro-F1)."]
    if options:
        lines.append(
            f"Zero-shot chooses among {len(options)} options, the voters among {len(data.classes)} classes;"
            " both are shown the options, the right one among them."
        )
    if data.note:
        lines.append(f"Data: {data.note}.")
    if support.num_cut + query.num_cut:
        lines.append(
            f"{support.num_cut + query.num_cut:,} clips were longer than the model's window of"
            f" {module.lalm.preparer.max_seconds:g} s and cut ({data.settings.long_clips})."
        )
    for name, coverage in (("support", support), ("query", query)):
        if coverage.failures:
            total = coverage.used + len(coverage.failures)
            lines.append(
                f"Coverage of the {name}: {coverage.used:,} of {total:,} clips;"
                f" {len(coverage.failures):,} skipped, listed in skipped.csv."
            )
    return lines


def percent(fraction: float) -> str:
    """A fraction in per cent, one digit."""
    return f"{100 * fraction:.1f}"


def span(interval: Interval) -> str:
    """An interval of fractions in per cent."""
    return f"{100 * interval.low:.1f}–{100 * interval.high:.1f}"
