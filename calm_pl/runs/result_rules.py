"""Rules that the parts of a `results.json` must obey where they are there: the file may be anybody's."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

Rule = Callable[[Any], bool]


def fault_of(results: Mapping[str, Any]) -> str | None:
    """Return what is wrong with results, naming the part; None where nothing is."""
    for name, value in results.items():
        rule, words = (_is_count, _COUNT) if name.startswith("n_") else _PARTS.get(name, (_anything, ""))
        if not rule(value):
            return f"`{name}` must be {words}, but is {_shown(value)}"
    for name, entry in results.get("methods", {}).items():
        if not _is_section(entry):
            return f"method {name!r} must be a section with keys, but is {_shown(entry)}"
        for key, (rule, words) in _METHOD.items():
            if key not in entry and key in _NEEDED:
                return f"method {name!r} must have `{key}`, but has not"
            if key in entry and not rule(entry[key]):
                return f"`{key}` of method {name!r} must be {words}, but is {_shown(entry[key])}"
    return _fault_between(results)


def _fault_between(results: Mapping[str, Any]) -> str | None:
    """Return what does not go together among parts that are right by themselves."""
    classes, positive = results.get("classes"), results.get("positive")
    if classes is not None and positive is not None and positive not in classes:
        return f"`positive` must be a class, but is {_shown(positive)}"
    known = results.get("methods", {})
    for one in results.get("differences", ()):
        for side in ("better", "worse"):
            if one[side] not in known:
                return f"`differences` must be between methods, but names {_shown(one[side])}"
    return None


def _anything(value: Any) -> bool:
    return True


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _is_fraction(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= 1


def _is_share(value: Any) -> bool:
    return value is None or value != value or _is_fraction(value)  # undefined, as null or NaN


def _is_section(value: Any) -> bool:
    return isinstance(value, dict)


def _is_interval(value: Any) -> bool:
    return (
        isinstance(value, list) and len(value) == 2 and all(one is None or _is_number(one) for one in value)
    )


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _are_classes(value: Any) -> bool:
    return _are_texts(value) and len(set(value)) == len(value) > 1


def _section_of(rule: Rule) -> Rule:
    return lambda value: _is_section(value) and all(map(rule, value.values()))


def _sections_with(**rules: Rule) -> Rule:
    def fits(one: Any) -> bool:
        return _is_section(one) and all(key in one and rule(one[key]) for key, rule in rules.items())

    def holds(value: Any) -> bool:
        return isinstance(value, list) and all(
            _is_section(one) and all(key in one and rule(one[key]) for key, rule in rules.items())
            for one in value
        )

    return holds


_COUNT = "a whole number, 0 or more"
_SHARE = "a number between 0 and 1, or null"
_SHARES = ("macro_f1", "exact_match", "map", "eer", "ece", "parse_failure_rate")
_BETWEEN = {"better": _is_text, "worse": _is_text, "difference": _is_number, "ci95": _is_interval}
_ENCODING = {
    **dict.fromkeys(("questions", "ranks"), _is_count),
    **dict.fromkeys(("host", "device", "date"), _is_text),
    "seconds": _is_number,
}
_PARTS: dict[str, tuple[Rule, str]] = {
    **dict.fromkeys(
        ("benchmark", "model", "config_hash", "weights", "predictions_sha256"), (_is_text, "a string")
    ),
    "classes": (_are_classes, "a list of two or more different strings"),
    **dict.fromkeys(("notes", "remarks"), (_are_texts, "a list of strings")),
    "positive": (lambda value: value is None or _is_text(value), "a string or null"),
    "limited": (lambda value: value is None or _is_count(value), f"{_COUNT}, or null"),
    "methods": (lambda value: _is_section(value) and len(value) > 0, "a section with one method or more"),
    "versions": (_section_of(_is_text), "a section of strings"),
    "seconds": (_section_of(_is_number), "a section of numbers"),
    "heads": (_section_of(_is_count), "a section of whole numbers"),
    "odd_sound": (_section_of(_is_count), "a section of whole numbers"),
    "self_check": (lambda value: value is None or _is_section(value), "a section with keys, or null"),
    **dict.fromkeys(("breakdown", "pseudo_labels"), (_is_section, "a section with keys")),
    "differences": (
        _sections_with(
            better=_is_text, worse=_is_text, difference=_is_number, ci95=_is_interval, holds=_anything
        ),
        "a list of sections with better, worse, difference, ci95 and holds",
    ),
    "encodings": (
        _sections_with(**_ENCODING),
        "a list of sections with questions, seconds, host, device, ranks and date",
    ),
}
_METHOD: dict[str, tuple[Rule, str]] = {
    "accuracy": (_is_fraction, "a number between 0 and 1"),
    **dict.fromkeys(
        ("macro_f1", "exact_match", "map", "eer", "ece", "parse_failure_rate"), (_is_share, _SHARE)
    ),
    "ci95": (_section_of(_is_interval), "a section of intervals, [low, high]"),
    "n": (_is_count, _COUNT),
    "rounds": (_sections_with(accuracy=_is_share), "a list of sections with accuracy"),
}
_NEEDED = ("accuracy", "ci95")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
