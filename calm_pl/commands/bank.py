"""`bank`: inspect, check, prune and export a head bank."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Sequence

from calm_pl.commands.arguments import parser

_EXAMPLES = """\
  {program} info runs/cache/bank
  {program} verify runs/cache/bank
  {program} prune runs/cache/bank --older-than 90d
  {program} prune runs/cache/bank --model 1f0c9a7e --max-size 50GB --yes
  {program} export runs/cache/bank --out vectors
  {program} export runs/cache/bank --out vectors --format parquet
"""
_NAMED_CLIPS = 5
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_SPANS = {"m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


def run(argv: Sequence[str], program: str, debug: bool) -> int:
    """Run the command; see `main`. `verify` returns 1 if anything is damaged or missing."""
    args = _parser(program).parse_args(list(argv))
    return {"info": _info, "verify": _verify, "prune": _prune, "export": _export}[args.action](args)


def size_in_bytes(text: str) -> int:
    """Parse a size such as 800MB or 1.5T, in bytes.

    Raises:
        argparse.ArgumentTypeError: not a size.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([KMGT]?)B?", text.strip(), re.IGNORECASE)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 500MB or 50GB")
    return int(float(match[1]) * _UNITS[match[2].upper()])


def span_in_seconds(text: str) -> float:
    """Parse a duration such as 12h, 30d or 2w, in seconds.

    Raises:
        argparse.ArgumentTypeError: not a duration.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([mhdw])", text.strip())
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration such as 12h, 30d or 2w")
    return float(match[1]) * _SPANS[match[2]]


def _parser(program: str) -> argparse.ArgumentParser:
    command = parser(
        program,
        "Inspect, check, prune or export a head bank, the cache of head vectors.",
        _EXAMPLES,
    )
    actions = command.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, what in (
        ("info", "clips, models, prompts, sizes and dates"),
        ("verify", "read every byte and compare it with its checksum"),
        ("prune", "show what would be removed, or remove it with --yes; then merge small shards"),
        ("export", "write the records for other tools"),
    ):
        action = actions.add_parser(name, help=what, description=what[0].upper() + what[1:] + ".")
        action.add_argument("folder", help="the bank: bank.dir of your runs")
        action.add_argument("--debug", action="store_true", help="show the traceback of an error")
    prune = actions.choices["prune"]
    prune.add_argument(
        "--older-than",
        type=span_in_seconds,
        metavar="SPAN",
        help="remove records older than 12h, 30d, 2w",
    )
    prune.add_argument("--model", metavar="HASH", help="remove this model's records; `info` shows the hashes")
    prune.add_argument(
        "--max-size", type=size_in_bytes, metavar="SIZE", help="remove the oldest records down to this size"
    )
    prune.add_argument("--damaged", action="store_true", help="remove shards that cannot be read")
    prune.add_argument("--yes", action="store_true", help="do it; without --yes nothing is changed")
    export = actions.choices["export"]
    export.add_argument("--out", required=True, metavar="FOLDER", help="where to write")
    export.add_argument(
        "--format",
        choices=("numpy", "parquet"),
        default="numpy",
        help="numpy (.npy, no pickle) or parquet (needs pyarrow)",
    )
    return command


def _info(args: argparse.Namespace) -> int:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from calm_pl.bank import identity_hash, info
    from calm_pl.bank.keys import canonical

    found = info(args.folder)
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("model", "class", "vectors"):
        table.add_column(name, overflow="fold")
    for name in ("records", "size"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("written", overflow="fold")
    for share in found.models:
        table.add_row(
            identity_hash(canonical(share.identity)),
            str(share.identity.get("class", "")),
            f"{share.shape[0]} x {share.shape[1]} {share.dtype}",
            f"{share.num_records:,}",
            _bytes(share.num_bytes),
            " to ".join(dict.fromkeys([_day(share.oldest), _day(share.newest)])),
        )
    if found.models:
        Console(highlight=False).print(table)
    print(
        f"{found.num_records:,} records of {found.num_clips:,} clips with {len(found.prompts):,} prompts;"
        f" {found.num_shards:,} shards, {_bytes(found.num_bytes)}."
    )
    if found.num_copies:
        print(f"{found.num_copies:,} records have extra copies; prune --yes merges them.")
    for name, reason in found.damaged.items():
        print(f"damaged: {name}: {reason}")
    return 0


def _verify(args: argparse.Namespace) -> int:
    from calm_pl.bank import verify

    verdict = verify(args.folder)
    print(f"{verdict.num_records:,} records and {verdict.num_shards:,} shards are intact.")
    for fault in verdict.faults:
        lost = "an unknown number of" if fault.num_lost is None else f"{fault.num_lost:,}"
        clips = ", ".join(fault.clips[:_NAMED_CLIPS]) + (", ..." if len(fault.clips) > _NAMED_CLIPS else "")
        print(f"{fault.shard}: {fault.reason}; {lost} records lost{f' ({clips})' if clips else ''}")
    if verdict.faults:
        print("Runs recompute only what is lost. prune --damaged --yes removes unreadable shards.")
    return 1 if verdict.faults else 0


def _prune(args: argparse.Namespace) -> int:
    from calm_pl.bank import Wish, prune

    wish = Wish(args.older_than, args.model, args.max_size, args.damaged)
    done = prune(args.folder, wish, act=args.yes)
    verb = ("were removed", "were rewritten") if args.yes else ("would be removed", "would be rewritten")
    print(
        f"{done.num_records:,} records ({_bytes(done.num_bytes)}) and {done.num_unreadable:,} unreadable"
        f" shards {verb[0]}; {done.num_rewritten:,} shards {verb[1]}."
    )
    if done.num_damaged:
        print(f"{done.num_damaged:,} records failed their checksum and were dropped.")
    if not args.yes:
        print("Nothing was changed. Add --yes to do this.")
    return 0


def _export(args: argparse.Namespace) -> int:
    from calm_pl.bank import export

    for path in export(args.folder, args.out, args.format):
        print(f"written: {path}")
    return 0


def _bytes(count: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.3g} TB"


def _day(nanoseconds: int) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(nanoseconds / 1e9))
