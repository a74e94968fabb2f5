"""Rules of settings: what they accept, and the words that explain them."""

import dataclasses
import math

import numpy as np
import pytest

from calm_pl.validation import (
    above_zero,
    above_zero_or,
    as_in,
    at_least,
    check_settings,
    fraction,
    one_of,
    setting,
)


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


@dataclasses.dataclass
class Knobs:
    heads: int | None = setting(None, at_least(1))
    tau: float = setting(0.5, above_zero())
    word: str = setting("a", one_of("a", "b"))
    free: bool = False


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"heads": 0}, "`heads` to be 1 or more, or None, but got 0."),
        ({"heads": 1.5}, "`heads` to be a whole number or None, but got 1.5."),
        ({"heads": True}, "`heads` to be a whole number or None, but got True."),
        ({"tau": None}, "`tau` to be a number, but got None."),
        ({"tau": "1"}, "`tau` to be a number, but got '1'."),
        ({"tau": math.nan}, "`tau` to be a finite number above 0, but got nan."),
        ({"word": "c"}, "`word` to be one of a, b, but got 'c'."),
        ({"word": 1}, "`word` to be a string, but got 1."),
        ({"free": 1}, "`free` to be true or false, but got 1."),
    ],
)
def test_values_are_checked_by_type_and_rule(values, told):
    with pytest.raises(ValueError, match="Expected argument") as error:
        check_settings(Knobs(**values))
    assert str(error.value) == f"Expected argument {told}"


@pytest.mark.parametrize("values", [{}, {"heads": np.int64(3), "tau": np.float32(0.5)}, {"tau": 1}])
def test_values_that_obey_are_left_alone(values):
    check_settings(Knobs(**values))


def test_a_setting_can_be_that_of_another_section():
    other = dataclasses.make_dataclass("Other", [("few", int, as_in(Knobs, "heads"))])
    (field,) = dataclasses.fields(other)
    assert (other().few, field.metadata["rule"].text, field.metadata["as_in"]) == (
        None,
        "1 or more",
        (Knobs, "heads"),
    )
