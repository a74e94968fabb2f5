"""Build unfitted voters from rows and settings."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from calm_pl.errors import RunError
from calm_pl.methods.table import METHODS, Method

if TYPE_CHECKING:
    from calm_pl.voters import HeadVoter

_NAMES = {"sklearn": "scikit-learn"}  # packages whose name on PyPI differs from their import name


def build_voters(keys: Sequence[str], settings: Any) -> dict[str, HeadVoter]:
    """Return the unfitted voters of the given methods, in the order of the table.

    Args:
        keys: keys of the methods; those without a voter are ignored.
        settings: an object whose attributes the rows' settings name, such as a job's `Config`.

    Raises:
        ConfigError: there is no such method.
        RunError: a package that a method needs is not installed.
    """
    wanted = {METHODS[key].key for key in keys}
    rows = [row for row in METHODS if row.key in wanted and row.voter is not None]
    _require_packages(rows)
    return {row.key: build_voter(row, settings) for row in rows}


def build_voter(row: Method, settings: Any) -> HeadVoter:
    """Return the unfitted voter of one method."""
    chosen = {name: _value(settings, path) for name, path in row.settings.items()}
    voter: HeadVoter = row.voter_class()(**row.arguments, **chosen)
    return voter


def _require_packages(rows: Sequence[Method]) -> None:
    for package in dict.fromkeys(row.package for row in rows if row.package):
        if importlib.util.find_spec(package) is None:
            needing = [row for row in rows if row.package == package]
            extra = next((row.extra for row in needing if row.extra), "")
            way_out = f"pip install 'calm_pl[{extra}]'" if extra else f"install {package}"
            raise RunError(
                f"methods: {', '.join(row.key for row in needing)} need {_NAMES.get(package, package)}:"
                f" {way_out}, or leave them out."
            )


def _value(settings: Any, path: str) -> Any:
    for name in path.split("."):
        settings = getattr(settings, name)
    return settings
