"""Print a sweep in the terminal: every setting's mean, and the gain from selecting on the query set."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from calm_pl.methods import METHODS
from calm_pl.metrics.cells import percent
from calm_pl.metrics.info import METRICS
from calm_pl.report.console import print_table
from calm_pl.sweeps.points import GRID
from calm_pl.sweeps.settings import SWEPT
from calm_pl.sweeps.summary import Gap, Mean, gaps, means
from calm_pl.sweeps.table import Row

_MOST_LINES = 200
_LEAST_WIDTH = 120  # in a narrower terminal lines wrap instead of being cut
ON_THE_QUERY = (
    "All numbers are measured on the query set. The best grid point is selected on it and is therefore"
    ' labelled "oracle"; it is shown with the configured setting and the one that leave-one-out selects on'
    " the support alone."
)


def print_sweep(title: str, rows: Sequence[Row], metric: str) -> None:
    """Print one row per setting with one column per method, then the oracle's lead.

    Args:
        title: title of the table.
        rows: the sweep's rows.
        metric: key of the metric to show.
    """
    console = Console()
    grid = {place: mean for place, mean in means(rows, metric).items() if place.chosen == GRID}
    methods = list(dict.fromkeys(place.method for place in grid))
    values: dict[tuple[str, str], set[object]] = {}
    for place in grid:
        for name, value in place.settings:
            values.setdefault((place.case, name), set()).add(value)
    # A case's name stands for what it sets; what a method does not read is empty.
    varied = [name for name in SWEPT if any(len(v - {None}) > 1 for (_, n), v in values.items() if n == name)]
    lines: dict[tuple[str, tuple[object, ...]], dict[str, Mean]] = {}
    for place, mean in grid.items():
        settings = tuple(dict(place.settings)[name] for name in varied)
        lines.setdefault((place.case, settings), {})[place.method] = mean
    cases = any(case for case, _ in lines)
    names = [*(["case"] if cases else []), *varied]
    cells: list[list[str]] = []
    for (case, settings), by_method in list(lines.items())[:_MOST_LINES]:
        named = [_text(value) for value in settings]
        numbers = [shown(by_method[method]) if method in by_method else "" for method in methods]
        cells.append([*([case] if cases else []), *named, *numbers])
    console.print(f"{title} · {METRICS[metric].title} in %", style="italic", highlight=False, soft_wrap=True)
    print_table("", [*names, *map(METHODS.title, methods)], cells, words=len(names), console=console)
    if len(lines) > _MOST_LINES:
        console.print(f"... and {len(lines) - _MOST_LINES:,} more settings, in the table of the run.")
    leads = gaps(rows, metric)
    if leads:
        console.print("Selected on the query set (oracle) or not", style="italic")
        wide = Console()
        wide.width = max(wide.width, _LEAST_WIDTH)
        wide.print(_leads(leads, varied))
    console.print(ON_THE_QUERY, highlight=False)


def shown(mean: Mean | None) -> str:
    """Format `66.7 ± 1.2` in per cent."""
    if mean is None:
        return "–"
    return percent(mean.value) + ("" if mean.sd is None else f" ± {percent(mean.sd)}")


def _leads(leads: Sequence[Gap], varied: Sequence[str]) -> Table:
    """Return the table of oracles, with the differences of the other settings from them."""
    table = Table(box=box.SIMPLE_HEAD)
    around = [name for name in varied if name in leads[0].settings]
    cases = any(one.case for one in leads)
    for head in [*(["case"] if cases else []), *around, "method"]:
        table.add_column(head, no_wrap=True)
    for head in ("configured", "gap", "loo", "gap", "oracle"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("oracle's setting")
    for one in leads:
        own = [f"{name} {_text(one.best[name])}" for name in varied if one.best.get(name) is not None]
        table.add_row(
            *([one.case] if cases else []),
            *(_text(one.settings[name]) for name in around),
            METHODS.title(one.method),
            *(text for mean in (one.default, one.loo) for text in (shown(mean), _gap(mean, one.oracle))),
            shown(one.oracle),
            ", ".join(own),
        )
    return table


def _gap(mean: Mean | None, oracle: Mean) -> str:
    return "–" if mean is None else f"{100 * (mean.value - oracle.value):+.1f}"


def _text(value: object) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
