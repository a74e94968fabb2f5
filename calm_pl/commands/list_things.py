"""`list`: what is available, from tables that ship with the package; loads no model."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from calm_pl.assets import bundled_models
from calm_pl.commands.arguments import parser
from calm_pl.commands.list_benchmarks import read_benchmarks, show_benchmarks
from calm_pl.errors import ConfigError, RunError

_CATALOGUE = Path(__file__).parents[1] / "models" / "families" / "families.json"
_EXAMPLES = """\
  {program} models
  {program} benchmarks
  {program} sweeps
  {program} suites
  {program} methods
  {program} settings voter
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
    """Run the command; see `main`."""
    things = "\n".join(f"  {name:<10}  {listing.what}" for name, listing in LISTINGS.items())
    arguments = parser(program, f"List what is available:\n\n{things}", _EXAMPLES)
    arguments.add_argument("thing", choices=list(LISTINGS), metavar="|".join(LISTINGS))
    arguments.add_argument(
        "section", nargs="?", metavar="SECTION", help="of settings: only those whose names begin so"
    )
    arguments.add_argument("--json", action="store_true", help="as JSON")
    args = arguments.parse_args(list(argv))
    if args.section is not None and args.thing != "settings":
        arguments.error(f"{args.section!r}: only settings have sections")
    listing = LISTINGS[args.thing]
    content = listing.read() if args.section is None else read_settings(args.section)
    if args.json:
        print(json.dumps(content, indent=2, ensure_ascii=False))
    else:
        listing.show(content)
    return 0


def read_models() -> dict[str, Any]:
    """Return the families of audio language models, baselines, and what is not supported, with the reason."""
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
    print("\nExternal baselines:")
    for row in content["baselines"]:
        print(f"{row['family']:<{width}}  {' and '.join(row['modalities'])}; {row['gives']}")
        print(f"{'':<{width}}  {row['class']}")
    print(f"\nBundled, for trials: {', '.join(f'model.path={name}' for name in bundled_models())}")
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


def read_methods() -> dict[str, dict[str, Any]]:
    """Return what is known of each method by key, those of plugins and other packages too."""
    from calm_pl.methods import METHODS

    return {
        row.key: {
            "title": row.title,
            "description": row.description,
            "by_default": row.by_default,
            "stored": row.stored,
            "extra": row.extra,
        }
        for row in METHODS
    }


def show_methods(content: dict[str, dict[str, Any]]) -> None:
    """Print a block of lines per method."""
    notes = {key: "" if row["by_default"] else "asked for by name" for key, row in content.items()}
    _show_rows(content, notes)
    usual = ",".join(key for key, row in content.items() if row["by_default"])
    print(f'\nChoose by key, such as "methods=[{usual},gda]".')


def read_metrics() -> dict[str, dict[str, Any]]:
    """Return what is known of each metric by key, those of plugins and other packages too."""
    from calm_pl.metrics.info import METRICS

    return {
        row.key: {
            "title": row.title,
            "description": row.description,
            "higher_is_better": row.higher_is_better,
            "computed_for": sorted(kind.value for kind in row.computed_for),
            "interval": row.interval,
        }
        for row in METRICS
    }


def show_metrics(content: dict[str, dict[str, Any]]) -> None:
    """Print a block of lines per metric."""
    notes = {
        key: ", ".join(
            [*([] if row["higher_is_better"] else ["lower is better"]), *row["computed_for"]]
            + ([] if row["interval"] else ["no interval"])
        )
        for key, row in content.items()
    }
    _show_rows(content, notes)


def _show_rows(content: dict[str, dict[str, Any]], notes: dict[str, str]) -> None:
    width = max(map(len, content))
    for key, row in content.items():
        print(f"{key:<{width}}  {row['title']}" + (f" ({notes[key]})" if notes[key] else ""))
        _indented(row["description"], width)


def read_settings(section: str = "") -> dict[str, dict[str, str]]:
    """Return value, default and description of each setting of a job by path.

    Args:
        section: the beginning of the paths.

    Raises:
        ConfigError: no setting begins so.
    """
    from calm_pl.config.described import sections, settings

    known = {one.path: one for path, schema in sections() for one in settings(path, schema)}
    found = {path: one for path, one in known.items() if path.startswith(section)}
    if not found:
        heads = dict.fromkeys(path.partition(".")[0] for path in known if "." in path)
        raise ConfigError([f"list settings {section}: no setting begins so; sections are {', '.join(heads)}"])
    return {
        path: {"value": one.value, "default": one.default, "description": one.description}
        for path, one in found.items()
    }


def show_settings(content: dict[str, dict[str, str]]) -> None:
    """Print a block of lines per setting."""
    for path, row in content.items():
        print(f"{path}={row['default']}" if row["default"] else f"{path}  (required)")
        for text in (row["value"], row["description"]):
            _indented(text, 2)


def _indented(text: str, width: int) -> None:
    room = max(40, shutil.get_terminal_size((100, 24)).columns - width - 3)
    for part in textwrap.wrap(text, room):
        print(f"{'':<{width}}  {part}")


LISTINGS = {
    "benchmarks": Listing("supported data sets", read_benchmarks, show_benchmarks),
    "sweeps": Listing("the paper's ablations, for the command `sweep`", read_sweeps, show_sweeps),
    "suites": Listing("several benchmarks and models, for the command `fit-free`", read_suites, show_sweeps),
    "methods": Listing("rows of the results table", read_methods, show_methods),
    "metrics": Listing("its columns", read_metrics, show_metrics),
    "settings": Listing("what a job's configuration may say", read_settings, show_settings),
    "models": Listing("families of audio language models", read_models, show_models),
}
