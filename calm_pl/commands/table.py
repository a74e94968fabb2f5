"""`table`: many runs in one table, for a terminal, a page or a paper."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from calm_pl.commands.arguments import parser

_FORMATS = ("terminal", "markdown", "latex", "csv")
_EXAMPLES = """\
  {program} runs/*                              methods as rows, benchmarks as columns
  {program} runs                                every finished run below runs/
  {program} runs/* --format latex > table.tex   for \\input in a paper, with booktabs
  {program} runs/paper --published              a suite, beside published numbers
  {program} runs/a --detailed                   every metric of one run, with 95 % intervals
"""


def run(argv: Sequence[str], program: str, debug: bool) -> int:
    """The command; see `main`."""
    command = parser(
        program,
        "Show finished runs in one table: methods as rows (below their model where models differ),\n"
        "benchmarks as columns, with the metric that decides each task. The best of a column is bold; what\n"
        "is not significantly worse is marked.",
        _EXAMPLES,
    )
    command.add_argument(
        "runs", nargs="+", metavar="RUN", help="folder of a finished run, or a folder of such folders"
    )
    command.add_argument("--format", choices=_FORMATS, default=_FORMATS[0], help="default: terminal")
    command.add_argument("--detailed", action="store_true", help="show every metric, with 95 %% intervals")
    command.add_argument(
        "--published",
        action="store_true",
        help="show the paper's numbers beside those of the same benchmark, model and method",
    )
    command.add_argument("--debug", action="store_true", help="show the traceback of an error")
    args = command.parse_args(list(argv))
    from calm_pl.report.overview import overview
    from calm_pl.runs import find_runs

    table = overview(find_runs(args.runs), args.detailed, args.published)
    if args.format == "terminal":
        from calm_pl.report.overview_terminal import print_overview

        print_overview(table)
    elif args.format == "markdown":
        from calm_pl.report.markdown import markdown_text

        print(markdown_text(table))
    elif args.format == "latex":
        from calm_pl.report.latex import latex_text

        print(latex_text(table))
    else:
        from calm_pl.report.overview_csv import csv_text

        print(csv_text(table))
        for note in table.notes:  # no part of the data
            print(note, file=sys.stderr)
    return 0
