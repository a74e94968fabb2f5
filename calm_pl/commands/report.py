"""`report`: write the page of a finished run again, or compare several runs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from calm_pl.commands.arguments import parser
from calm_pl.errors import CalmError, RunError
from calm_pl.methods import METHODS
from calm_pl.metrics.cells import points

if TYPE_CHECKING:
    from calm_pl.report import RunFolder
    from calm_pl.report.comparison import Comparison

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
    """Print the ranking and the differences; runs are numbered where their names are long."""
    from rich.console import Console

    from calm_pl.report.comparison import labels_of, remarks
    from calm_pl.report.console import print_table

    console = Console()
    labels = labels_of(comparison.names)
    for label, name in zip(labels, comparison.names, strict=True):
        if label != name:
            console.print(f"{label}: {name}", highlight=False, markup=False, soft_wrap=True)
    print_table(*_ranking(comparison, labels), words=3, console=console)
    print_table(*_differences(comparison, labels), words=2, console=console)
    for line in remarks(comparison):
        console.print(line, highlight=False, markup=False)


def _ranking(comparison: Comparison, labels: Sequence[str]) -> tuple[str, list[str], list[list[str]]]:
    """Return title, headings and rows; every row names its method, so that none is taken for another's."""
    from calm_pl.report.comparison import ranking
    from calm_pl.report.overview_cells import NEAR
    from calm_pl.report.results import interval_cell, metrics_of, value_cell

    main, *others = metrics_of(next(iter(comparison.runs[0].methods.values())))
    rows = []
    ranked = ranking(comparison, main)
    for one in ranked:
        entry = comparison.runs[one.run].methods[one.method]
        rows.append(
            [
                str(one.rank),
                METHODS.title(one.method),
                labels[one.run],
                value_cell(entry, main.key).shown + (NEAR if one.near else " "),
                interval_cell(entry, main.key).shown,
                *(value_cell(entry, other.key).shown for other in others),
            ]
        )
    note = f" ({NEAR} not significantly worse than the best)" if any(one.near for one in ranked) else ""
    heads = ["#", "method", "run", main.title, "95 %", *(other.title for other in others)]
    return f"Ranking{note}", heads, rows


def _differences(comparison: Comparison, labels: Sequence[str]) -> tuple[str, list[str], list[list[str]]]:
    rows = [
        [
            METHODS.title(one.method),
            labels[one.run],
            "yes" if one.significant else "no",
            f"{100 * one.difference:+.1f}",
            points(one.interval),
            f"{one.p_value:.3g}",
        ]
        for one in comparison.differences
    ]
    heads = ["method", "run", "significant", "points", "95 %", "p"]
    return f"Accuracy, difference from {labels[0]}", heads, rows


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
