"""Rules for the values of settings, with texts that explain them."""

from __future__ import annotations

import dataclasses
import functools
import numbers
import typing
from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Any, NamedTuple


class Rule(NamedTuple):
    """A rule.

    Attributes:
        text: what the value must be, as in "must be ...".
        holds: returns whether a value obeys.
        known: the allowed values, to suggest the nearest.
    """

    text: str
    holds: Callable[[Any], bool]
    known: Sequence[str] = ()


def one_of(*choices: str) -> Rule:
    """Return the rule of a choice among words."""
    return Rule("one of " + ", ".join(choices), lambda value: value in choices)


def at_least(least: int) -> Rule:
    """Return the rule of a number with a lower bound."""
    return Rule(f"{least} or more", lambda value: value >= least)


def finite_at_least(least: int) -> Rule:
    """Return the rule of a finite number with a lower bound."""
    return Rule(f"a finite number, {least} or more", lambda value: least <= value < float("inf"))


def above_zero() -> Rule:
    """Return the rule of a positive, finite number."""
    return Rule("a finite number above 0", lambda value: 0 < value < float("inf"))


def above_zero_or(word: str) -> Rule:
    """Return the rule of a positive, finite number, or a word."""

    def holds(value: Any) -> bool:
        return value == word or (_is_a(float, value) and 0 < value < float("inf"))

    return Rule(f"a finite number above 0, or {word}", holds, (word,))


def fraction() -> Rule:
    """Return the rule of a share."""
    return Rule("between 0 and 1", lambda value: 0 <= value <= 1)


def above_zero_to_one() -> Rule:
    """Return the rule of a share above 0."""
    return Rule("above 0 and at most 1", lambda value: 0 < value <= 1)


def between_zero_and_one() -> Rule:
    """Return the rule of a share strictly between 0 and 1."""
    return Rule("above 0 and below 1", lambda value: 0 < value < 1)


def setting(default: Any, rule: Rule | None = None, is_path: bool = False) -> Any:
    """Return a dataclass field with a rule. None, if the type allows it, obeys every rule.

    Args:
        default: the default.
        rule: the rule.
        is_path: whether it is the path of a file or folder, in which `~` is the user's home.
    """
    metadata: dict[str, Any] = {"is_path": is_path}
    if rule is not None:
        metadata["rule"] = rule
    if isinstance(default, (list, dict)):
        return field(default_factory=lambda: type(default)(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def as_in(settings: type, name: str) -> Any:
    """Return a field with the default, the rule and, in the documentation, the text of another field."""
    (source,) = (one for one in dataclasses.fields(settings) if one.name == name)
    return field(default=source.default, metadata={**source.metadata, "as_in": (settings, name)})


def check_settings(settings: Any) -> None:
    """Check the values of a settings dataclass against types and rules.

    Raises:
        ValueError: the first value that breaks one; the message names it.
    """
    schema: Any = type(settings)
    kinds = _type_hints(schema)
    for spec in dataclasses.fields(settings):
        kind, value, rule = kinds[spec.name], vars(settings)[spec.name], spec.metadata.get("rule")
        optional = type(None) in typing.get_args(kind)
        if value is None and optional:
            continue
        types = [one for one in typing.get_args(kind) or (kind,) if one is not type(None)]
        if not any(_is_a(one, value) for one in types):
            what = type_name(kind).replace("null", "None")
        elif rule is not None and not rule.holds(value):
            what = rule.text + (", or None" if optional else "")
        else:
            continue
        raise ValueError(f"Expected argument `{spec.name}` to be {what}, but got {value!r}.")


def type_name(kind: Any) -> str:
    """Return a setting's type in words, as in "must be ..."."""
    names = {
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        str: "a string",
        Any: "any value",
    }
    if typing.get_origin(kind) is list:
        return "a list of strings"
    if typing.get_origin(kind) is dict:
        return "a section with keys"
    parts = [part for part in typing.get_args(kind) or (kind,) if part is not type(None)]
    optional = [" or null"] if type(None) in typing.get_args(kind) else []
    return " or ".join(names.get(part, str(part)) for part in parts) + "".join(optional)


_type_hints = functools.cache(typing.get_type_hints)


def _is_a(kind: Any, value: Any) -> bool:
    """Return whether a value has a type; NumPy numbers count as numbers, booleans do not."""
    abstract = {int: numbers.Integral, float: numbers.Real}.get(kind)
    if abstract is not None:
        return isinstance(value, abstract) and not isinstance(value, bool)
    return kind is Any or isinstance(value, kind)
