"""The JSON Schema of `results.json`, and how well the rules in it are read."""

import json
import re

import pytest
from conftest import REPO

from calm_pl.runs import results_schema
from calm_pl.runs.json_rules import Rules

DOCUMENT = {
    "$defs": {"share": {"type": ["number", "null"], "minimum": 0, "maximum": 1}},
    "type": "object",
}
SHARE = {"$ref": "#/$defs/share"}
COUNT = {"type": "integer", "minimum": 0}
PAIR = {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2, "uniqueItems": True}
SECTION = {"type": "object", "required": ["a"], "properties": {"a": COUNT}, "additionalProperties": SHARE}


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        (SHARE, [0, 0.5, 1, None, float("nan")], [-0.1, 1.1, "0", True, [], float("inf")]),
        (COUNT, [0, 7], [-1, 0.5, None, True, float("nan")]),
        ({"type": "number"}, [-1e9, 3], [None, float("inf"), float("nan"), False]),
        (PAIR, [["a", "b"]], [["a"], ["a", "a"], ["a", "b", "c"], ["a", 1], "ab", {}]),
        (SECTION, [{"a": 1}, {"a": 1, "b": None}], [{}, {"a": -1}, {"a": 1, "b": 2}, []]),
        ({"type": "object", "minProperties": 1}, [{"x": 1}], [{}]),
        ({"enum": ["support", "query"]}, ["query"], ["both", None]),
        ({"type": ["string", "null"]}, ["", None], [0, [], float("nan")]),
        ({}, [0, None, [], {}, "x"], []),
    ],
)
def test_values_that_obey_and_values_that_do_not(schema, good, bad):
    rules = Rules(DOCUMENT)
    assert [one for one in good if not rules.fits(schema, one)] == []
    assert [one for one in bad if rules.fits(schema, one)] == []


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (SHARE, "a number between 0 and 1, or null"),
        (COUNT, "a whole number, 0 or more"),
        ({"type": ["string", "null"]}, "a string, or null"),
        ({"type": "array", "items": {"type": "string"}}, "a list of strings"),
        ({"type": "object", "additionalProperties": COUNT}, "a section of whole numbers"),
        ({"type": "array", "items": SECTION}, "a list of sections with a"),
        (
            {"type": "array", "items": {"type": "object", "required": ["a", "b", "c"]}},
            "a list of sections with a, b and c",
        ),
        ({"type": "boolean"}, "true or false"),
        ({"type": "object"}, "a section with keys"),
        ({"type": "array", "title": "two names"}, "two names"),
    ],
)
def test_what_a_value_must_be_in_words(schema, words):
    assert Rules(DOCUMENT).words(schema) == words


def keywords(schema):
    """Every keyword of a schema and of the schemas in it."""
    for name, value in schema.items():
        yield name
        if name in ("properties", "patternProperties", "$defs"):
            for inner in value.values():
                yield from keywords(inner)
        elif name in ("items", "additionalProperties"):
            yield from keywords(value)


def test_the_schema_uses_only_what_is_checked():
    text = " ".join((Rules.__module__, __import__(Rules.__module__, fromlist=["x"]).__doc__))
    said = {"$schema", "description", "patternProperties", "$defs"}
    assert set(keywords(results_schema())) - said <= set(re.findall(r"\$?\w+", text)) | {"$ref"}


def test_the_schema_has_the_fields_of_the_page_and_no_other():
    page = (REPO / "docs/reference/results.md").read_text(encoding="utf-8")
    top, method, difference = (
        {
            name
            for row in re.findall(r"^\|([^|]+)\|", part, re.MULTILINE)
            for name in re.findall(r"`(\w+)`", row)
        }
        for part in re.split(r"^## ", page, flags=re.MULTILINE)[:3]
    )
    schema = results_schema()
    counts = {name for name in top if name.startswith("n_")}
    assert set(schema["properties"]) | counts == top
    assert set(schema["$defs"]["method"]["properties"]) - {"map", "eer"} == method  # named beside others
    assert set(schema["$defs"]["difference"]["properties"]) == difference
    assert counts == {name for name in schema["required"] if name.startswith("n_")}


def test_the_schema_is_json_without_a_number_that_json_lacks():
    json.dumps(results_schema(), allow_nan=False)
