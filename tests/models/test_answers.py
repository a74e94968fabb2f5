"""Which option a generated answer names."""

import pytest

from calm_pl.models.answers import parse_answer

LETTERS = "ABCD"
LABELS = ("dog", "car_horn", "car", "sea waves")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("B", 1),
        ("b", 1),
        (" B. ", 1),
        ("(B)", 1),
        ("(b)", 1),
        ("B)", 1),
        ("B.", 1),
        ("B. car_horn", 1),
        ("B. car horn", 1),
        ("B: Car Horn.", 1),
        ("B, a car horn", 1),
        ("B - car horn", 1),
        ("**B. car_horn**", 1),
        ("**D**", 3),
        ("A. dog", 0),
        ("The answer is B", 1),
        ("The correct answer is B.", 1),
        ("The correct answer is: (B) car_horn", 1),
        ("Answer: C", 2),
        ("Option D", 3),
        ("My final answer: D", 3),
        ("dog", 0),
        ("Dog.", 0),
        ('"dog"', 0),
        ("A dog barks.", 0),
        ("a dog", 0),
        ("The given audio belongs to dog.", 0),
        ("The audio is of a car horn honking", 1),
        ("It sounds like a car.", 2),
        ("sea_waves", 3),
        ("I hear sea\nwaves", 3),
        ("I would pick option B here", 1),
        ("That must be (C).", 2),
        ("D. sea waves, not a dog", 3),
    ],
)
def test_answers_that_name_one_option(text, expected):
    assert parse_answer(text, LETTERS, LABELS) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "I don't know.",
        "E",
        "a cat",
        "dog or car",
        "A or B",
        "B. dog",  # the letter says one thing, the label another
        "hotdog",
        "It is not a dog.",
        "This isn't a car horn.",
        "option A or option B",
        "Audio of something",
        "Apple",
        "A bird sings",
    ],
)
def test_answers_that_name_none_or_several(text):
    assert parse_answer(text, LETTERS, LABELS) is None


def test_labels_that_look_alike():
    assert parse_answer("spoofed", "AB", ("bonafide", "spoofed")) == 1
    assert parse_answer("B. spoofed", "AB", ("bonafide", "spoofed")) == 1
    assert parse_answer("Bonafide", "AB", ("bonafide", "spoofed")) == 0


def test_labels_with_signs_are_read_as_they_are():
    assert parse_answer("it is (a+b)", "AB", ("(a+b)", "a.b")) == 0
    assert parse_answer("axb", "AB", ("(a+b)", "a.b")) is None
