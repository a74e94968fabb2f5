"""Arguments that several commands share."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

Settings = TypeVar("Settings")
_SETTING = re.compile(r"--(?=\w+\.[\w.]+=)")


class _Parser(argparse.ArgumentParser):
    """Parser that also accepts `--voter.tau_p=0.1` for `voter.tau_p=0.1`, as W&B's sweep agents write it."""

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
    """Add `--config`, `--print-config` and overrides."""
    parser.add_argument(
        "--config",
        action="append",
        default=[],
        metavar="FILE",
        help="a YAML file, or the name of a shipped one; may be repeated, later files override earlier ones",
    )
    parser.add_argument(
        "--print-config", action="store_true", help="print the resolved configuration and exit"
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="override single settings")


def add_limit_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--limit N`, short for `data.limit=N`."""
    parser.add_argument(
        "--limit",
        type=int,
        metavar="N",
        help="a quick try, not a result: at most N clips in the support pool and in the query, equally many"
        " per class (data.limit=N)",
    )


def add_dry_run_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--dry-run`; see `calm_pl.commands.checklist.dry_run`."""
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="run nothing: say how many clips would be encoded, and what memory, disk and time that takes",
    )


def read_config(
    command: argparse.ArgumentParser,
    argv: Sequence[str],
    load: Callable[[Sequence[str], Sequence[str]], Settings],
    example: str = "--config demo.yaml",
    show: Callable[[Any], str] | None = None,
) -> tuple[argparse.Namespace, Settings | None]:
    """Parse a command line and compose its configuration, or only print it for `--print-config`.

    Args:
        command: the parser, with `add_config_arguments`.
        argv: the command line.
        load: composes files and overrides.
        example: example of a configuration, for a command line without one.
        show: returns what `--print-config` prints; the configuration as YAML if None.

    Returns:
        The arguments and the configuration; None if it was printed and nothing is left to do.

    Raises:
        ConfigError: all problems of the configuration at once.
    """
    from calm_pl.config.compose import to_yaml

    args = command.parse_intermixed_args(list(argv))
    if not args.config and not args.overrides:
        command.error(f"give a configuration, as in {example}")
    limit = getattr(args, "limit", None)
    config = load(args.config, [*args.overrides, *([] if limit is None else [f"data.limit={limit}"])])
    if args.print_config:
        print((show or to_yaml)(config), end="")
        return args, None
    return args, config
