"""`list benchmarks`: what can be evaluated, where to get it, how to lay it out. Imports no torch."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from calm_pl.data import benchmark_facts, benchmark_names
from calm_pl.errors import DataError


def print_benchmarks() -> None:
    """Print a table of all benchmarks; those of other packages that cannot be loaded are named below it."""
    console = Console()
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("data.benchmark", "classes", "clips"):
        table.add_column(name, justify="left" if name == "data.benchmark" else "right", no_wrap=True)
    for name in ("licence", "home", "layout"):
        table.add_column(name, overflow="fold")
    broken = []
    for name in benchmark_names():
        try:
            facts = benchmark_facts(name)
        except DataError as error:
            broken.append(str(error))
            continue
        classes, clips = (f"{count:,}" if count else "yours" for count in (facts.classes, facts.clips))
        table.add_row(name, classes, clips, *map(escape, (facts.licence, facts.home, facts.layout)))
    console.print(table)
    for line in broken:
        console.print(line, highlight=False, markup=False)
