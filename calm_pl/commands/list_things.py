"""`list`: what is available, from tables that ship with the package; loads no model."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from calm_pl.commands.arguments import parser
from calm_pl.commands.list_benchmarks import read_benchmarks, show_benchmarks
from calm_pl.errors import RunError

_CATALOGUE = Path(__file__).parents[1] / "models" / "families" / "families.json"
_EXAMPLES = """\
  {program} models
  {program} benchmarks
  {program} sweeps
  {program} suites
  {program} models --json
"""


class Listing(NamedTuple):
    """One thing to list.

    Attributes:
        what: a line of help.
        read: returns its content, as printed with `--json`.
        show: prints that content as text.
    """

    what: str
    read: Callable[[], Any]
    show: Callable[[Any], None]


def run(argv: Sequence[str], program: str, debug: bool) -> int:
    """Run the command; returns the exit status."""
    things = "\n".join(f"  {name:<10}  {listing.what}" for name, listing in LISTINGS.items())
    arguments = parser(program, f"List what is available:\n\n{things}", _EXAMPLES)
    arguments.add_argument("thing", choices=list(LISTINGS), metavar="|".join(LISTINGS))
    arguments.add_argument("--json", action="store_true", help="as JSON")
    args = arguments.parse_args(list(argv))
    listing = LISTINGS[args.thing]
    content = listing.read()
    if args.json:
        print(json.dumps(content, indent=2, ensure_ascii=False))
    else:
        listing.show(content)
    return 0


def read_models() -> dict[str, Any]:
    """Return the families of audio language models, and those that are not supported, with the reason."""
    try:
        content: dict[str, Any] = json.loads(_CATALOGUE.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunError(f"{_CATALOGUE} cannot be read: {error.strerror}. Install calm_pl again.") from error
    return content


def show_models(content: dict[str, Any]) -> None:
    """Print the table of families and notes on it."""
    width = max(len(row["family"]) for row in content["families"])
    for row in content["families"]:
        heads = (
            f", {row['layers'] * row['heads_per_layer']:,} heads of {row['head_dim']}"
            if row["layers"]
            else ""
        )
        example = f" ({row['checkpoint']}{heads})" if row["checkpoint"] else ""
        needs = f"; needs {row['needs']}" if row["needs"] else ""
        print(f"{row['family']:<{width}}  {' and '.join(row['modalities'])}{example}{needs}")
        print(f"{'':<{width}}  {row['class']}")
    installed = importlib.metadata.version("transformers")
    print(
        f"\nTested with transformers {content['tested_with']} on tiny models of these classes with random"
        f" weights; installed: {installed}.\nA checkpoint's heads and D come from its own configuration."
    )
    print("\nNot supported:")
    for model_type, reason in content["refused"].items():
        print(f"  {model_type}: {reason}")


def read_sweeps() -> dict[str, str]:
    """Return what each shipped sweep varies, by the name that `--config` accepts."""
    from calm_pl.config.layers import config_dir, shipped_sweeps

    return {name: _first_comment(config_dir() / name) for name in shipped_sweeps()}


def read_suites() -> dict[str, str]:
    """Return what each shipped suite evaluates, by the name that `--config` accepts."""
    from calm_pl.config.layers import config_dir, shipped_suites

    return {name: _first_comment(config_dir() / name) for name in shipped_suites()}


def show_sweeps(content: dict[str, str]) -> None:
    """Print a line per sweep."""
    width = max(map(len, content), default=0)
    for name, what in content.items():
        print(f"{name:<{width}}  {what}")


def _first_comment(path: Path) -> str:
    return path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")


LISTINGS = {
    "benchmarks": Listing("supported data sets", read_benchmarks, show_benchmarks),
    "sweeps": Listing("the paper's ablations, for the command `sweep`", read_sweeps, show_sweeps),
    "suites": Listing("several benchmarks and models, for the command `fit-free`", read_suites, show_sweeps),
    "models": Listing("families of audio language models", read_models, show_models),
}
