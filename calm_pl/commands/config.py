"""`config`: print a shipped configuration, or copy it to be changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from calm_pl.atomic_files import write_text
from calm_pl.commands.arguments import parser
from calm_pl.config.layers import find_shipped
from calm_pl.errors import RunError

_EXAMPLES = """\
  {program} show esc50.yaml
  {program} copy esc50.yaml mine.yaml
  {program} copy sweeps/table2.yaml
"""


def run(argv: Sequence[str], program: str, debug: bool) -> int:
    """Run the command; see `main`."""
    command = parser(
        program,
        "Print a shipped configuration, or copy it to a file of your own, which --config takes as well.\n"
        "`list settings` shows every setting with its default.",
        _EXAMPLES,
    )
    actions = command.add_subparsers(dest="action", required=True, metavar="show|copy")
    show = actions.add_parser("show", help="print it")
    copy = actions.add_parser("copy", help="copy it")
    for one in (show, copy):
        one.add_argument("name", help="such as esc50.yaml, sweeps/table2.yaml or suites/paper.yaml")
    copy.add_argument("to", nargs="?", metavar="FILE", help="default: the same name, in this folder")
    args = command.parse_args(list(argv))
    text = find_shipped(args.name).read_text(encoding="utf-8")
    if args.action == "show":
        print(text, end="")
        return 0
    target = Path(args.to or Path(find_shipped(args.name)).name)
    if target.exists():
        raise RunError(f"{target}: is there already; name another file: config copy {args.name} FILE.")
    write_text(target, text)
    print(f"{target}: a copy of {args.name}; use it with --config {target}")
    return 0
