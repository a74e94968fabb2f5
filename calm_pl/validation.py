"""Rules that a setting's value must obey, with the words that explain them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Any, NamedTuple


class Rule(NamedTuple):
    """A rule.

    Attributes:
        text: what the value must be, as in "must be ...".
        holds: whether a value obeys.
        known: what the value may be, for a hint at the nearest.
    """

    text: str
    holds: Callable[[Any], bool]
    known: Sequence[str] = ()


def one_of(*choices: str) -> Rule:
    """A choice among words."""
    return Rule("one of " + ", ".join(choices), lambda value: value in choices)


def at_least(least: int) -> Rule:
    """A number with a lower bound."""
    return Rule(f"{least} or more", lambda value: value >= least)


def finite_at_least(least: int) -> Rule:
    """A finite number with a lower bound."""
    return Rule(f"a finite number, {least} or more", lambda value: least <= value < float("inf"))


def above_zero() -> Rule:
    """A positive, finite number."""
    return Rule("a finite number above 0", lambda value: 0 < value < float("inf"))


def above_zero_or(word: str) -> Rule:
    """A positive, finite number, or a word in its place."""

    def holds(value: Any) -> bool:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return value == word or (number and 0 < value < float("inf"))

    return Rule(f"a finite number above 0, or {word}", holds, (word,))


def fraction() -> Rule:
    """A share."""
    return Rule("between 0 and 1", lambda value: 0 <= value <= 1)


def between_zero_and_one() -> Rule:
    """A share that leaves something on both sides."""
    return Rule("above 0 and below 1", lambda value: 0 < value < 1)


def setting(default: Any, rule: Rule | None = None, is_path: bool = False) -> Any:
    """Return a dataclass field with a rule. None, where the type allows it, obeys every rule.

    Args:
        default: its default.
        rule: what a value must be.
        is_path: whether it names a file or folder, where `~` is the user's home.
    """
    metadata: dict[str, Any] = {"is_path": is_path}
    if rule is not None:
        metadata["rule"] = rule
    if isinstance(default, (list, dict)):
        return field(default_factory=lambda: type(default)(default), metadata=metadata)
    return field(default=default, metadata=metadata)
