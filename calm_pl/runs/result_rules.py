"""Rules that the parts of a `results.json` must obey where they are there: the file may be anybody's."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calm_pl.runs.json_rules import Rules, Schema

SCHEMA = Path(__file__).parent / "results.schema.json"
"""The JSON Schema of `results.json`, which these rules are read from."""
_NEEDED = ("accuracy", "ci95")  # of a method, by every reader


@functools.cache
def results_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) that every run's `results.json` obeys."""
    found: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return found


def fault_of(results: Mapping[str, Any]) -> str | None:
    """Return what is wrong with results, naming the part; None where nothing is.

    Parts may lack: earlier versions wrote fewer, and no reader needs all.
    """
    schema = results_schema()
    rules = Rules(schema)
    method = rules.resolved({"$ref": "#/$defs/method"})
    for name, value in results.items():
        part = dict(_part_of(schema, name))
        if name == "methods":  # looked at one by one below
            part.pop("additionalProperties")
        if not rules.fits(part, value):
            return f"`{name}` must be {rules.words(part)}, but is {_shown(value)}"
    for name, entry in results.get("methods", {}).items():
        if not isinstance(entry, dict):
            return f"method {name!r} must be a section with keys, but is {_shown(entry)}"
        for key in (*_NEEDED, *entry):
            if key not in entry:
                return f"method {name!r} must have `{key}`, but has not"
            rule = method["properties"].get(key, {})
            if not rules.fits(rule, entry[key]):
                return f"`{key}` of method {name!r} must be {rules.words(rule)}, but is {_shown(entry[key])}"
    return _fault_between(results)


def _part_of(schema: Schema, name: str) -> Schema:
    """Return the schema of a part by name or pattern of names; an empty one for parts of another version."""
    known = schema["properties"].get(name)
    if known is not None:
        return dict(known)
    patterns = schema["patternProperties"].items()
    return next((part for pattern, part in patterns if re.search(pattern, name)), {})


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


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
