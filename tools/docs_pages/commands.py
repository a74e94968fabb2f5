"""The command line's reference, from the parsers themselves."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from unittest import mock

from calm_pl.commands.main import COMMANDS, main

COLUMNS = "88"
"""Width of the help texts: what a code block shows without scrolling."""


def command_line() -> str:
    """Markdown: every command's help, and that of its actions."""
    parts = []
    for name in COMMANDS:
        parts.append(f"## {name}\n\n{_block(command_parser(name))}")
        parts += [f"### {name} {action}\n\n{_block(one)}" for action, one in actions(command_parser(name))]
    return "\n\n".join(parts)


def command_parser(name: str) -> argparse.ArgumentParser:
    """The parser whose help `launch.py NAME --help` prints."""
    asked: list[argparse.ArgumentParser] = []
    note = mock.patch.object(
        argparse.ArgumentParser, "print_help", lambda parser, file=None: asked.append(parser)
    )
    # SystemExit is how argparse ends after its help.
    with mock.patch.object(sys, "argv", ["launch.py"]), note, suppress(SystemExit):
        main([name, "--help"])
    return asked[0]


def actions(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Sub-parsers by name, such as those of `bank`."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.items()


def _block(parser: argparse.ArgumentParser) -> str:
    with mock.patch.dict(os.environ, {"COLUMNS": COLUMNS, "NO_COLOR": "1"}):
        return f"```text\n{parser.format_help().rstrip()}\n```"
