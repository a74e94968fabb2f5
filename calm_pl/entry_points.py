"""What other installed packages add to this one through entry points. Floor 0."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any


def points_of(group: str) -> dict[str, EntryPoint]:
    """Return the entry points of a group, sorted by name."""
    return {point.name: point for point in sorted(entry_points(group=group), key=lambda point: point.name)}


def described(point: EntryPoint, noun: str) -> str:
    """Return how errors name what a package adds: "benchmark 'birds' of the package 'x' (x.birds:Birds)"."""
    package = point.dist.name if point.dist else "unknown"
    return f"{noun} {point.name!r} of the package {package!r} ({point.value})"


def load_point(point: EntryPoint, noun: str, refuse: Callable[[str], Exception]) -> Any:
    """Import what an entry point names.

    Args:
        point: the entry point.
        noun: what errors call the thing that it adds, such as "benchmark".
        refuse: returns the error for a message.

    Raises:
        Exception: that of `refuse`, if the package's code fails.
    """
    try:
        return point.load()
    except Exception as error:  # code of others may raise anything
        raise refuse(
            f"{described(point, noun)} cannot be loaded: {type(error).__name__}: {error};"
            " fix or uninstall that package"
        ) from error
