"""`report`: write the page of a finished run again, or compare several runs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from calm_pl.commands.arguments import parser
from calm_pl.errors import CalmError, RunError
from calm_pl.methods import METHODS
from calm_pl.metrics.cells import percent, points, span

if TYPE_CHECKING:
    from rich.table import Table

    from calm_pl.report import RunFolder
    from calm_pl.report.comparison import Comparison, RunDifference

_WIDE = 100  # width of a terminal, in columns
_ENDLESS = 10_000
_EXAMPLES = """\
  {program} runs/a                             rewrite runs/a/report.html
  {program} runs/a --audio                     with embedded audio clips
  {program} runs/a runs/b runs/c               compare b and c with a
  {program} runs/a runs/b --out compared.html  also write a page
"""


def run(argv: Sequence[str], program: str, debug: bool) -> int:
    """Run the command; see `main`."""
    command = parser(
        program,
        "Rewrite the report page of a finished run from its folder, or compare several runs with the first,\n"
        "on the clips that they share.",
        _EXAMPLES,
    )
    command.add_argument("runs", nargs="+", metavar="RUN", help="folder of a finished run")
    command.add_argument("--out", metavar="FILE", help="output page; default for one run: its report.html")
    command.add_argument(
        "--audio",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="embed audio clips in the page of one run, or not; default: as in its configuration",
    )
    command.add_argument("--debug", action="store_true", help="show the traceback of an error")
    args = command.parse_args(list(argv))
    if args.audio is not None and len(args.runs) > 1:
        command.error("--audio needs a single run")
    from calm_pl.report import read_run

    runs = [read_run(path) for path in args.runs]
    if len(runs) == 1:
        print(f"Report: {_write_again(runs[0], args.out, args.audio)}")
        return 0
    from calm_pl.report.comparison import compare
    from calm_pl.report.comparison_page import write_comparison_page

    comparison = compare(runs)
    print_comparison(comparison)
    if args.out:
        write_comparison_page(comparison, _target(args.out))
        print(f"Page: {args.out}")
    return 0


def print_comparison(comparison: Comparison) -> None:
    """A row for each method and run; runs are numbered where their names do not fit."""
    from rich.console import Console

    from calm_pl.report.comparison import remarks

    console = Console()
    table = _table(comparison, comparison.names, console.width)
    room = console.options.update(max_width=_ENDLESS)
    if console.measure(table, options=room).maximum > console.width:
        numbers = [str(number) for number in range(1, len(comparison.names) + 1)]
        table = _table(comparison, numbers, console.width)
        for number, name in zip(numbers, comparison.names, strict=True):
            console.print(f"Run {number}: {name}", highlight=False, markup=False, soft_wrap=True)
    console.print(table)
    for line in remarks(comparison):
        console.print(line, highlight=False, markup=False)


def _table(comparison: Comparison, names: Sequence[str], width: int) -> Table:
    """Return the table; every row names its method, so that none is taken for another's."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from calm_pl.metrics.intervals import Interval
    from calm_pl.report.results import metrics_of

    main, *others = metrics_of(next(iter(comparison.runs[0].methods.values())))
    others = others if width >= _WIDE else []  # the page has them all
    table = Table(box=box.SIMPLE_HEAD)
    for head in ("method", "run"):
        table.add_column(head, no_wrap=True)
    for head in (main.title, "95 %", *(one.title for one in others), "points", "95 %", "sig."):
        table.add_column(head, justify="right", no_wrap=True)
    for method in comparison.methods:
        for number, (name, one) in enumerate(zip(names, comparison.runs, strict=True)):
            entry = one.methods.get(method)
            if entry is None:
                continue
            found = comparison.of(method, number)
            table.add_row(
                METHODS.title(method),
                Text(name),
                percent(entry[main.key]),
                span(Interval(*entry["ci95"][main.key])),
                *("–" if entry.get(more.key) is None else percent(entry[more.key]) for more in others),
                *(["", "", ""] if found is None else _told(found)),
            )
        table.add_section()
    return table


def _told(found: RunDifference) -> list[str]:
    return [f"{100 * found.difference:+.1f}", points(found.interval), "yes" if found.holds else "no"]


def _write_again(one: RunFolder, out: str | None, audio: bool | None) -> Path:
    from calm_pl.report import SoundRule, write_run_page

    rule = SoundRule(**one.config.get("report", {}))
    if audio is not None:
        rule = rule._replace(audio=audio)
    target = _target(out) if out else one.path / "report.html"
    paths: dict[str, Path] = {}
    why = ""
    if rule.audio:
        try:
            paths = _clip_paths(one)
        except CalmError as error:
            why = str(error).splitlines()[0]
    write_run_page(one, target, rule, paths, why)
    return target


def _clip_paths(one: RunFolder) -> dict[str, Path]:
    """Return the files of the query's clips, from the run's configuration.

    Raises:
        CalmError: the configuration or the data have changed since the run.
    """
    from calm_pl.config.compose import load_config
    from calm_pl.data import benchmark_class
    from calm_pl.data.questions.prepared import list_clips, prepare

    if not one.config_yaml:
        raise RunError("the run has no config.yaml, so its clips cannot be found.")
    data = load_config([str(one.path / "config.yaml")], []).data
    benchmark = benchmark_class(data.benchmark)(data)
    query = prepare(benchmark, list_clips(benchmark)).query
    return {one.clip.id: one.clip.path for one in query}


def _target(out: str) -> Path:
    target = Path(out)
    if target.is_dir():
        raise RunError(f"--out: must be a file, but {out} is a folder.")
    return target
