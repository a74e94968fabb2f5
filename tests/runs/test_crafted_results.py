"""A crafted `results.json` is refused in a sentence that names the part."""

import copy
import json

import pytest

from calm_pl.errors import RunError
from calm_pl.runs.folder import read_results
from calm_pl.runs.result_rules import fault_of

GOOD = {
    "benchmark": "esc50",
    "model": "m",
    "classes": ["a", "b"],
    "methods": {
        "sav": {"accuracy": 0.5, "map": None, "ci95": {"accuracy": [0.4, 0.6]}, "n": 9, "rounds": []}
    },
    "positive": "a",
    "n_query": 9,
    "notes": ["a note"],
    "differences": [
        {"better": "sav", "worse": "sav", "difference": 0.0, "ci95": [0, 0], "significant": False}
    ],
    "seconds": {"load": 0.5},
    "versions": {"torch": "2"},
    "heads": {"layers": 4},
    "self_check": None,
    "encodings": [{"questions": 9, "seconds": 1.5, "host": "h", "device": "cpu", "ranks": 1, "date": "d"}],
    "of_another_version": object,
}
CASES = [
    (("classes",), ["a", "a"], "`classes` must be a list of two or more different strings"),
    (("classes",), None, "`classes` must be"),
    (("methods",), {}, "one method or more"),
    (("methods", "sav"), [], "method 'sav' must be a section"),
    (
        ("methods", "sav", "accuracy"),
        float("nan"),
        "`accuracy` of method 'sav' must be a number between 0 and 1",
    ),
    (("methods", "sav", "accuracy"), 1.5, "must be a number between 0 and 1, but is 1.5"),
    (("methods", "sav", "accuracy"), "0.5", "but is '0.5'"),
    (("methods", "sav", "accuracy"), True, "but is True"),
    (("methods", "sav", "ci95"), {"accuracy": [0.4]}, "a section of intervals"),
    (("methods", "sav", "ci95"), {"map": [0.4, 0.6]}, "with that of accuracy, but is {'map'"),
    (("methods", "sav", "ci95"), {"accuracy": [None, 0.6]}, "a section of intervals"),
    (("methods", "sav", "ci95"), {"accuracy": [0, 1e300]}, "a section of intervals"),  # whose ticks never end
    (("differences", 0, "ci95"), [None, 0.1], "a list of sections with better"),
    (("methods", "sav", "ci95"), {"accuracy": [0.4, "x"]}, "a section of intervals"),
    (("methods", "sav", "rounds"), [{}], "a list of sections with accuracy"),
    (("methods", "sav", "n"), -1, "a whole number, 0 or more, but is -1"),
    (("positive",), "c", "`positive` must be a class, but is 'c'"),
    (("n_query",), 9.5, "`n_query` must be a whole number"),
    (("n_of_tomorrow",), "x", "`n_of_tomorrow` must be a whole number"),
    (("notes",), "text", "`notes` must be a list of strings"),
    (("differences", 0, "better"), "calm", "must be between methods, but names 'calm'"),
    (("differences", 0, "ci95"), None, "a list of sections with better"),
    (("seconds", "load"), None, "`seconds` must be a section of numbers"),
    (("versions",), [1], "`versions` must be a section of strings"),
    (("heads", "layers"), "4", "`heads` must be a section of whole numbers"),
    (("encodings", 0, "host"), 3, "`encodings` must be a list of sections"),
    (("config_hash",), 7, "`config_hash` must be a string"),
]


def test_what_a_run_writes_and_what_later_versions_may_add_is_accepted():
    assert fault_of(GOOD) is None
    assert fault_of({}) is None


@pytest.mark.parametrize(("place", "value", "told"), CASES)
def test_parts_that_cannot_be(tmp_path, place, value, told):
    results = {key: copy.deepcopy(part) for key, part in GOOD.items() if key != "of_another_version"}
    part = results
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    (tmp_path / "results.json").write_text(json.dumps(results))
    with pytest.raises(RunError, match=r"results\.json: ") as caught:
        read_results(tmp_path)
    assert told in str(caught.value) or place == ("methods",)


@pytest.mark.parametrize("key", ["accuracy", "ci95"])
def test_what_every_reader_needs_must_be_there(key):
    results = copy.deepcopy({**GOOD, "of_another_version": 1})
    del results["methods"]["sav"][key]
    assert fault_of(results) == f"method 'sav' must have `{key}`, but has not"
