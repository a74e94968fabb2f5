"""Rules of settings: what they accept, and the words that explain them."""

import dataclasses
import math

import pytest

from calm_pl.validation import above_zero, above_zero_or, at_least, fraction, one_of, setting


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        (one_of("a", "b"), ["a", "b"], ["c", "", "A", "ab", None, 1]),
        (at_least(1), [1, 2, 10**9, 1.0], [0, -1, 0.99, math.nan, -math.inf]),
        (at_least(0), [0, 0.0, 0.5, 3], [-1, -1e-9, math.nan]),
        (above_zero(), [1e-300, 0.03, 1, 1e300], [0, 0.0, -0.1, math.inf, -math.inf, math.nan]),
        (above_zero_or("loo"), [0.5, 1, "loo"], [0, -1.0, math.inf, math.nan, "best", "", True, None]),
        (fraction(), [0, 0.0, 0.5, 1, 1.0], [-0.001, 1.001, math.nan, math.inf]),
    ],
)
def test_what_a_rule_accepts(rule, good, bad):
    assert [value for value in good if not rule.holds(value)] == []
    assert [value for value in bad if rule.holds(value)] == []


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (one_of("start", "stop"), "one of start, stop"),
        (at_least(2), "2 or more"),
        (above_zero(), "a finite number above 0"),
        (above_zero_or("loo"), "a finite number above 0, or loo"),
        (fraction(), "between 0 and 1"),
    ],
)
def test_words_finish_the_sentence_must_be(rule, text):
    assert rule.text == text


def test_a_setting_carries_default_and_rule():
    rule = at_least(1)
    cls = dataclasses.make_dataclass(
        "Settings", [("shots", int, setting(20, rule)), ("seed", int, setting(0))]
    )
    shots, seed = dataclasses.fields(cls)
    assert (cls().shots, shots.metadata["rule"]) == (20, rule)
    assert (cls().seed, "rule" in seed.metadata) == (0, False)


@pytest.mark.parametrize("default", [["a"], {"a": 1}])
def test_instances_do_not_share_a_default_that_can_change(default):
    cls = dataclasses.make_dataclass("Settings", [("value", object, setting(default))])
    one, other = cls(), cls()
    assert one.value == other.value == default
    assert one.value is not other.value
    one.value.clear()
    assert cls().value == default != one.value
