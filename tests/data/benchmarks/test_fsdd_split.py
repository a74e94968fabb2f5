"""FSDD: the official split, a speaker held out, and names that do not fit."""

import pytest

from calm_pl.errors import DataError

pytest_plugins = ["tiny_data_sets"]


def parts(query) -> tuple[str, str, int]:
    """Digit, speaker and take as the file name gives them."""
    digit, speaker, take = query.clip.path.stem.split("_")
    return digit, speaker, int(take)


def test_the_official_split_is_by_take(make, fsdd_root):
    module = make("fsdd", fsdd_root(takes=range(12)), shots=None)
    module.prepare()
    assert {parts(q)[2] for q in module.query} == {0, 1, 2, 3, 4}
    assert {parts(q)[2] for q in module.support} == set(range(5, 12))
    assert len(module.query) == 2 * 3 * 5


@pytest.mark.parametrize(
    ("fold", "speaker"), [(1, "anna"), (2, "bert"), (3, "carl"), ("carl", "carl"), ("bert", "bert")]
)
def test_a_fold_holds_one_speaker_out(make, fsdd_root, fold, speaker):
    module = make("fsdd", fsdd_root(), fold=fold, shots=None)
    module.prepare()
    assert {parts(q)[1] for q in module.query} == {speaker}
    assert {parts(q)[1] for q in module.support} == {"anna", "bert", "carl"} - {speaker}
    assert len(module.query) == 2 * 8


def test_a_speaker_that_there_is_not(make, fsdd_root):
    with pytest.raises(
        DataError, match=r"data\.fold is 4, but the folds are anna, bert, carl; `all` takes each in turn"
    ):
        make("fsdd", fsdd_root(), fold=4).prepare()


def test_classes_are_words_in_the_order_of_digits(make, fsdd_root):
    module = make("fsdd", fsdd_root(digits=(9, 7, 0)))
    module.prepare()
    assert module.classes == ("zero", "seven", "nine")
    words = {"0": "zero", "7": "seven", "9": "nine"}
    assert all(q.clip.labels == (words[parts(q)[0]],) for q in module.query)
    assert module.query[0].question.startswith("Which word is spoken in the given audio? A. ")


@pytest.mark.parametrize("name", ["zero_anna_1.wav", "0_anna.wav", "0_anna_x.wav", "0_an_na_1.wav"])
def test_a_name_of_another_form(make, fsdd_root, write_sound, name):
    root = fsdd_root()
    write_sound(root / "recordings" / name)
    with pytest.raises(DataError, match=r"the name must have the form digit_speaker_take\.wav") as caught:
        make("fsdd", root).prepare()
    assert name in str(caught.value)


def test_a_number_that_is_no_digit(make, fsdd_root, write_sound):
    root = fsdd_root()
    write_sound(root / "recordings" / "10_anna_1.wav")
    with pytest.raises(DataError, match=r"10_anna_1\.wav: unknown label 10; a digit is 0 to 9"):
        make("fsdd", root).prepare()


def test_a_digit_with_no_clip_outside_the_query(make, fsdd_root, write_sound):
    root = fsdd_root()
    write_sound(root / "recordings" / "5_anna_0.wav")
    with pytest.raises(DataError, match=r"Class 'five' has no clip to take support from"):
        make("fsdd", root).prepare()


def test_no_query_clip(make, fsdd_root):
    with pytest.raises(
        DataError, match=r"data\.query_split is 'test', but the clips on disk have the splits train\."
    ):
        make("fsdd", fsdd_root(takes=(5, 6))).prepare()


def test_one_class_is_no_benchmark(make, fsdd_root):
    with pytest.raises(DataError, match=r"has 1 classes; a benchmark needs 2 or more"):
        make("fsdd", fsdd_root(digits=(3,))).prepare()


def test_other_files_in_the_folder_are_left_alone(make, fsdd_root):
    root = fsdd_root()
    (root / "recordings" / "README.md").write_text("x")
    make("fsdd", root).prepare()


def test_what_is_missing_against_the_full_set_is_noted(make, fsdd_root):
    module = make("fsdd", fsdd_root())
    module.prepare()
    assert module.notes == ["48 of FSDD's 3,000 clips (train 18 of 2,700, test 30 of 300), 2 of 10 classes"]
