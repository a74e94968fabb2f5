"""What command lines share."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from typing import Any

_SETTING = re.compile(r"--(?=\w+\.[\w.]+=)")


class _Parser(argparse.ArgumentParser):
    """Takes `--voter.tau_p=0.1` for `voter.tau_p=0.1`, as agents of sweeps write it."""

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Parse as `argparse` does."""
        words = [_SETTING.sub("", word, count=1) for word in (sys.argv[1:] if args is None else args)]
        return super().parse_known_args(words, namespace)


def parser(program: str, description: str, examples: str) -> argparse.ArgumentParser:
    """Return a parser whose help ends with examples."""
    return _Parser(
        prog=program,
        description=description,
        epilog="examples:\n" + examples.format(program=program),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """`--config`, `--print-config` and overrides."""
    parser.add_argument(
        "--config",
        action="append",
        default=[],
        metavar="FILE",
        help="a YAML file, or the name of a shipped one; may be given several times, later wins",
    )
    parser.add_argument(
        "--print-config", action="store_true", help="show the resolved configuration and stop"
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="override single settings")
