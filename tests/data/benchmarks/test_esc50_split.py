"""ESC-50: folds, class order and the bundled recordings."""

import pytest

from calm_pl.data.benchmarks.esc50 import CLASSES
from calm_pl.errors import DataError

pytest_plugins = ["tiny_data_sets"]

BUNDLED = "bundled:esc10"


def fold_of(query) -> int:
    """The fold as the official file name gives it."""
    return int(query.clip.id.split("-")[0])


def test_official_class_numbers():
    # Spot checks against the published list: first, last, and one of each of the five groups.
    assert len(CLASSES) == len(set(CLASSES)) == 50
    official = {
        0: "dog",
        10: "rain",
        20: "crying_baby",
        30: "door_wood_knock",
        40: "helicopter",
        49: "hand_saw",
    }
    assert {number: CLASSES[number] for number in official} == official


def test_bundled_classes_come_in_the_order_of_official_targets(make):
    module = make("esc50", BUNDLED)
    module.prepare()
    assert len(module.classes) == 10
    numbers = [CLASSES.index(label) for label in module.classes]
    assert numbers == sorted(numbers)
    assert module.classes[0] == "dog"


@pytest.mark.parametrize("fold", [1, 2, 3, 4, 5])
def test_the_query_is_the_fold_and_the_support_is_the_other_folds(make, fold):
    module = make("esc50", BUNDLED, fold=fold, shots=None)
    module.prepare()
    assert {fold_of(q) for q in module.query} == {fold}
    assert {fold_of(q) for q in module.support} == {1, 2, 3, 4, 5} - {fold}
    assert len(module.query) + len(module.support) == 300
    assert {q.clip.groups for q in module.query}.isdisjoint(q.clip.groups for q in module.support)


def test_fold_one_is_the_default(make):
    by_default, first = make("esc50", BUNDLED), make("esc50", BUNDLED, fold=1)
    by_default.prepare()
    first.prepare()
    assert by_default.query == first.query


def test_the_class_of_every_clip_is_the_number_in_its_file_name(make):
    module = make("esc50", BUNDLED, shots=None)
    module.prepare()
    for query in [*module.support, *module.query]:
        assert query.clip.id.endswith(f"-{CLASSES.index(query.clip.labels[0])}.ogg")


def test_a_fold_that_there_is_not(make):
    with pytest.raises(
        DataError, match=r"data\.fold is 6, but the folds are 1, 2, 3, 4, 5; `all` takes each"
    ):
        make("esc50", BUNDLED, fold=6).prepare()


def test_shots_a_class(make):
    module = make("esc50", BUNDLED, shots=7)
    module.prepare()
    assert [q.label for q in module.support] == [c for c in range(10) for _ in range(7)]


def test_what_is_missing_against_the_full_set_is_noted(make):
    module = make("esc50", BUNDLED)
    module.prepare()
    assert module.notes == ["300 of ESC-50's 2,000 clips, 10 of 50 classes"]


def test_the_query_does_not_depend_on_seed_or_shots(make):
    one, other = make("esc50", BUNDLED, seed=0, shots=1), make("esc50", BUNDLED, seed=9, shots=20)
    one.prepare()
    other.prepare()
    assert [q.clip for q in one.query] == [q.clip for q in other.query]


def test_support_does_not_depend_on_the_order_of_rows(make, esc50_root):
    rows = [
        f"{f}-{i}.wav,{f},{t},{label},True,{f}{t}{i},A"
        for f in (1, 2)
        for i, (t, label) in enumerate([(0, "dog"), (1, "rooster")] * 8)
    ]
    forwards = make("esc50", esc50_root(rows, "a"), shots=3)
    backwards = make("esc50", esc50_root(rows[::-1], "b"), shots=3)
    forwards.prepare()
    backwards.prepare()
    assert [q.clip.id for q in forwards.support] == [q.clip.id for q in backwards.support]
    assert forwards.classes == backwards.classes == ("dog", "rooster")


def test_classes_do_not_follow_the_order_of_rows(make, esc50_root, two_classes):
    module = make("esc50", esc50_root(two_classes[::-1]))
    module.prepare()
    assert module.classes == ("dog", "rooster")


def test_preparing_twice_changes_nothing(make):
    module = make("esc50", BUNDLED)
    module.prepare()
    support, query = module.support, module.query
    module.prepare()
    module.setup("test")
    assert module.support is support
    assert module.query is query


def test_the_default_question_and_another(make):
    default, other = make("esc50", BUNDLED), make("esc50", BUNDLED, question="What is this?")
    default.prepare()
    other.prepare()
    assert default.query[0].question.startswith("What caption does the given audio belong to? A. ")
    assert other.query[0].question.startswith("What is this? A. ")
