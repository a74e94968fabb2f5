"""`figures`: draw the figures of a finished run or of a sweep's table."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from calm_pl.commands.arguments import parser
from calm_pl.errors import ConfigError, RunError
from calm_pl.methods import METHODS

if TYPE_CHECKING:
    from calm_pl.figures.run import Drawing, LeftOut

_FORMATS = ("svg", "pdf", "png")
_THEMES = ("light", "dark")
_WIDTHS = {"single": 3.3, "double": 7.0}
_SWEEP = "sweep.csv"
_EXAMPLES = """\
  {program} runs/x
  {program} runs/x --only confusion --method SAVs --out paper --format pdf --width double
  {program} runs/x --theme dark --format png
  {program} sweeps/x/sweep.csv --heads 1024 --where tau_p=0.03
"""


def run(argv: Sequence[str], program: str, debug: bool) -> int:
    """Run the command; see `main`."""
    args = _parser(program).parse_args(list(argv))
    source = Path(args.source)
    if not source.exists():
        raise RunError(f"{source}: no such file or folder; expected a run folder or a sweep's table.")
    from calm_pl.figures.folder import USUAL, Kind, draw_into

    table = source / _SWEEP if source.is_dir() and not (source / "results.json").is_file() else source
    from_sweep = table.is_file()
    drawings = _of_sweep(table, args) if from_sweep else _of_run(source, args)
    if args.only:
        known = [one.name for one in drawings]
        unknown = [name for name in args.only if name not in known]
        if unknown:
            raise ConfigError([f"--only {name}: must be one of {', '.join(known)}" for name in unknown])
        drawings = [one for one in drawings if one.name in args.only]
    kinds = [
        kind
        for kind in [Kind(theme, kind) for theme in args.theme or _THEMES for kind in args.format or _FORMATS]
        if args.theme or args.format or kind in USUAL
    ]
    if args.format and not args.theme:
        kinds = [kind for kind in kinds if kind in USUAL]
    folder = Path(args.out) if args.out else (table.parent if from_sweep else source) / "figures"
    index = draw_into(folder, drawings, kinds, width=_WIDTHS.get(args.width), fresh=False)
    drawn = {one.name for one in drawings}
    for entry in index["figures"]:
        if entry["name"] in drawn:
            print(f"{entry['name']:<20}  {entry['title']}: {', '.join(entry['files'].values())}")
    for one in index["left_out"]:
        print(f"{one['name']:<20}  not drawn: {one['reason']}")
    print(f"Figures: {folder}")
    return 0


def _of_run(source: Path, args: argparse.Namespace) -> list[Drawing | LeftOut]:
    from calm_pl.figures.run import run_drawings
    from calm_pl.figures.run_files import facts_of
    from calm_pl.runs import read_run

    faults = [
        f"--{name}: only applies to a sweep's table, which {source} is not"
        for name in ("where", "heads", "shots")
        if getattr(args, name)
    ]
    if faults:
        raise ConfigError(faults)
    if not source.is_dir():
        raise RunError(f"{source}: is neither a run folder nor a sweep's table.")
    facts = facts_of(read_run(source))
    method = args.method and METHODS.title(args.method)
    if method not in (None, *facts.predictions):
        raise ConfigError(
            [f"--method: must be one of {', '.join(facts.predictions)}, but is {args.method!r}"]
        )
    return run_drawings(facts, method)


def _of_sweep(table: Path, args: argparse.Namespace) -> list[Drawing | LeftOut]:
    from calm_pl.figures.sweep_file import read_sweep, sweep_drawings

    if args.method:
        raise ConfigError(["--method: only applies to a run, whose confusions it selects, not to a sweep"])
    where = {}
    for text in args.where:
        column, equals, value = text.partition("=")
        if not equals:
            raise ConfigError([f"--where {text}: must have the form COLUMN=VALUE"])
        where[column] = value
    return sweep_drawings(read_sweep(table, where), args.heads, args.shots)


def _parser(program: str) -> argparse.ArgumentParser:
    command = parser(
        program,
        "Draw the figures of a finished run, or those of a sweep's table (accuracy over heads, and over\n"
        "shots and heads), as vector and raster images.",
        _EXAMPLES,
    )
    command.add_argument("source", help=f"a run folder, a sweep's CSV, or the folder of {_SWEEP}")
    command.add_argument("--out", metavar="DIR", help="default: figures/ in the source's folder")
    command.add_argument(
        "--format", nargs="+", choices=_FORMATS, help="default: all, including SVG in the dark theme"
    )
    command.add_argument("--theme", nargs="+", choices=_THEMES)
    command.add_argument(
        "--width", choices=_WIDTHS, help="columns of a paper; default: depends on the figure"
    )
    command.add_argument("--only", nargs="+", metavar="NAME", help="draw only these figures")
    command.add_argument("--method", help="for a run: method whose confusions are shown, such as calm")
    command.add_argument(
        "--where", action="append", default=[], metavar="COLUMN=VALUE", help="for a sweep: only these rows"
    )
    command.add_argument("--heads", type=int, metavar="H", help="for a sweep: the model's heads")
    command.add_argument("--shots", type=int, help="for a sweep: number of shots; default: the largest")
    command.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return command
