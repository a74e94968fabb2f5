"""A part of JSON Schema: whether a value obeys one, and in words what it should have been.

Keywords: type, enum, minimum, maximum, items, minItems, maxItems, uniqueItems, properties,
additionalProperties (a schema), minProperties, required, and `$ref` below `#/$defs/`. A `title` says what a
value is, as in "must be ...", where the keywords alone would not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]
_NAMES = {"string": "string", "integer": "whole number", "number": "number"}


class Rules:
    """Rules of a schema document.

    Args:
        document: the whole schema, in which references are looked up.
    """

    def __init__(self, document: Schema) -> None:
        self.document = document

    def resolved(self, schema: Schema) -> Schema:
        """Return a schema with its reference followed; its own keywords come first."""
        reference = schema.get("$ref")
        if reference is None:
            return schema
        return {**self.document["$defs"][reference.removeprefix("#/$defs/")], **schema}

    def fits(self, schema: Schema, value: Any) -> bool:
        """Return whether a value obeys; NaN, which JSON does not have, stands for a number that is null."""
        schema = self.resolved(schema)
        kinds = _kinds(schema)
        if isinstance(value, float) and math.isnan(value):
            return not kinds or {"number", "null"} <= set(kinds)
        if kinds and not any(_is_a(kind, value) for kind in kinds):
            return False
        if "enum" in schema and value not in schema["enum"]:
            return False
        if isinstance(value, (int, float)):
            return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))
        if isinstance(value, list):
            return self._list_fits(schema, value)
        return not isinstance(value, dict) or self._section_fits(schema, value)

    def _list_fits(self, schema: Schema, values: list[Any]) -> bool:
        items = schema.get("items", {})
        return (
            schema.get("minItems", 0) <= len(values) <= schema.get("maxItems", len(values))
            and all(self.fits(items, one) for one in values)
            and not (schema.get("uniqueItems") and len(set(values)) < len(values))
        )

    def _section_fits(self, schema: Schema, values: dict[str, Any]) -> bool:
        known, others = schema.get("properties", {}), schema.get("additionalProperties", {})
        return (
            len(values) >= schema.get("minProperties", 0)
            and all(key in values for key in schema.get("required", ()))
            and all(self.fits(known.get(key, others), one) for key, one in values.items())
        )

    def words(self, schema: Schema, plural: bool = False) -> str:
        """Say what a value must be."""
        schema = self.resolved(schema)
        kinds = _kinds(schema)
        kind = next((one for one in kinds if one != "null"), "null")
        text = str(schema.get("title") or self._kind_in_words(schema, kind, plural))
        return f"{text}, or null" if "null" in kinds and not plural else text

    def _kind_in_words(self, schema: Schema, kind: str, plural: bool) -> str:
        if kind == "array":
            items = self.resolved(schema["items"])
            if needed := items.get("required"):
                names = ", ".join(needed[:-1]) + " and " * (len(needed) > 1) + needed[-1]
                return f"a list of sections with {names}"
            return f"a list of {self.words(items, plural=True)}"
        if kind == "object":
            inside = schema.get("additionalProperties")
            return f"a section of {self.words(inside, plural=True)}" if inside else "a section with keys"
        if kind == "boolean":
            return "true or false"
        name = _NAMES.get(kind, kind)
        if plural:
            return f"{name}s"
        least, most = schema.get("minimum"), schema.get("maximum")
        if most is not None:
            return f"a {name} between {least} and {most}"
        return f"a {name}" + ("" if least is None else f", {least} or more")


def _kinds(schema: Schema) -> list[str]:
    kinds = schema.get("type", [])
    return [kinds] if isinstance(kinds, str) else list(kinds)


def _is_a(kind: str, value: Any) -> bool:
    if kind == "number":
        return type(value) in (int, float) and math.isfinite(value)
    types = {
        "string": str,
        "integer": int,
        "boolean": bool,
        "null": type(None),
        "array": list,
        "object": dict,
    }
    return type(value) is types[kind]
