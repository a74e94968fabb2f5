"""Audio that the labels name and the disk does not hold."""

import pytest

from calm_pl.data.benchmarks.esc50 import ESC50
from calm_pl.errors import DataError

pytest_plugins = ["tiny_data_sets"]


def test_missing_files_are_counted_and_listed_before_anything_is_read(make, esc50_root, two_classes):
    root = esc50_root(two_classes)
    gone = [root / "audio" / "1-dog.wav", root / "audio" / "1-rooster.wav"]
    for path in gone:
        path.unlink()
    with pytest.raises(DataError, match=r"2 of 6 clips are not on disk .*data\.on_missing=skip") as caught:
        make("esc50", root, on_missing="stop").prepare()
    assert [line.strip() for line in str(caught.value).splitlines()[1:]] == [str(path) for path in gone]


def test_a_long_list_is_shortened(make, esc50_root, two_classes):
    root = esc50_root(two_classes, audio=False)
    with pytest.raises(DataError, match=r"6 of 6 clips are not on disk:") as caught:  # nothing to go on with
        make("esc50", root, shots=None, on_missing="skip").prepare()
    lines = str(caught.value).splitlines()
    assert len(lines) == 1 + 5 + 1
    assert lines[-1].strip() == "and 1 more"


@pytest.mark.parametrize("on_missing", ["auto", "skip"])
def test_a_public_set_goes_on_without_them_and_notes_it(make, esc50_root, two_classes, on_missing):
    root = esc50_root(two_classes)
    (root / "audio" / "1-rooster.wav").unlink()
    module = make("esc50", root, on_missing=on_missing)
    module.prepare()
    assert [query.clip.id for query in module.query] == ["1-dog.wav"]
    assert [clip.id for clip in module.missing] == ["1-rooster.wav"]
    assert module.notes[-1] == "1 of 6 listed clips are not on disk (missing.csv)"
    (batch,) = module.test_dataloader()
    assert batch.failures == []


@pytest.mark.parametrize(("on_missing", "refused"), [("auto", True), ("stop", True), ("skip", False)])
def test_ones_own_data_must_be_whole_unless_told(
    make, esc50_root, two_classes, on_missing, refused, monkeypatch
):
    monkeypatch.setattr(ESC50, "own_data", True)
    root = esc50_root(two_classes)
    (root / "audio" / "1-rooster.wav").unlink()
    module = make("esc50", root, on_missing=on_missing)
    if refused:
        with pytest.raises(DataError, match=r"1 of 6 clips are not on disk .*data\.on_missing=skip"):
            module.prepare()
    else:
        module.prepare()
        assert len(module.missing) == 1


def test_a_class_with_no_file_left_is_dropped(make, esc50_root, two_classes):
    root = esc50_root([*two_classes, "1-pig.wav,1,2,pig,True,1300,A", "2-pig.wav,2,2,pig,True,2300,A"])
    for name in ("1-pig.wav", "2-pig.wav"):
        (root / "audio" / name).unlink()
    module = make("esc50", root)
    module.prepare()
    assert module.classes == ("dog", "rooster")
    assert {c for query in module.query for c in query.options} == {0, 1}


def test_a_class_that_lost_support_clips_gives_those_it_has(make, esc50_root, two_classes):
    root = esc50_root(two_classes)
    (root / "audio" / "2-dog.wav").unlink()
    module = make("esc50", root, shots=2)
    module.prepare()
    assert [query.clip.id for query in module.support] == ["3-dog.wav", *roosters(module)]
    assert len(roosters(module)) == 2
    assert "1 classes have fewer support clips than requested: dog 1" in module.notes


def roosters(module) -> list[str]:
    return [query.clip.id for query in module.support if "rooster" in query.clip.id]


def test_a_whole_set_never_gives_fewer_than_asked(make, esc50_root, two_classes):
    with pytest.raises(DataError, match=r"data\.shots is 3, but class 'dog' has only 2 clips"):
        make("esc50", esc50_root(two_classes), shots=3).prepare()


def test_a_folder_in_place_of_a_file_is_missing(make, esc50_root, two_classes):
    root = esc50_root(two_classes)
    (root / "audio" / "1-dog.wav").unlink()
    (root / "audio" / "1-dog.wav").mkdir()
    with pytest.raises(DataError, match=r"1 of 6 clips are not on disk"):
        make("esc50", root, on_missing="stop").prepare()


def test_a_file_that_goes_after_the_listing_is_a_failure(make, esc50_root, two_classes):
    root = esc50_root(two_classes)
    module = make("esc50", root)
    module.prepare()
    (root / "audio" / "1-rooster.wav").unlink()
    (batch,) = module.test_dataloader()
    assert batch.index_N.tolist() == [0]
    (failure,) = batch.failures
    assert failure.position == 1
    assert failure.reason == f"{root}/audio/1-rooster.wav: no such file."
