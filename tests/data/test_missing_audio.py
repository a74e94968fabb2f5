"""Audio that the labels name and the disk does not hold."""

import pytest

from calm_pl.errors import DataError

pytest_plugins = ["tiny_data_sets"]


def test_missing_files_are_counted_and_listed_before_anything_is_read(make, esc50_root, two_classes):
    root = esc50_root(two_classes)
    gone = [root / "audio" / "1-dog.wav", root / "audio" / "1-rooster.wav"]
    for path in gone:
        path.unlink()
    with pytest.raises(DataError, match=r"2 of 4 clips are not on disk .*on_bad_clip=skip") as caught:
        make("esc50", root).prepare()
    assert [line.strip() for line in str(caught.value).splitlines()[1:]] == [str(path) for path in gone]


def test_a_long_list_is_shortened(make, esc50_root, two_classes):
    root = esc50_root(two_classes, audio=False)
    with pytest.raises(DataError, match=r"6 of 6 clips are not on disk") as caught:
        make("esc50", root, shots=None).prepare()
    lines = str(caught.value).splitlines()
    assert len(lines) == 1 + 5 + 1
    assert lines[-1].strip() == "and 1 more"


def test_only_clips_that_are_used_must_be_there(make, esc50_root, two_classes):
    root = esc50_root(two_classes)
    module = make("esc50", root)
    module.prepare()
    unused = {row.split(",")[0] for row in two_classes} - {
        q.clip.id for q in [*module.support, *module.query]
    }
    assert len(unused) == 2
    for name in unused:
        (root / "audio" / name).unlink()
    make("esc50", root).prepare()


def test_a_folder_in_place_of_a_file_is_missing(make, esc50_root, two_classes):
    root = esc50_root(two_classes)
    (root / "audio" / "1-dog.wav").unlink()
    (root / "audio" / "1-dog.wav").mkdir()
    with pytest.raises(DataError, match=r"1 of 4 clips are not on disk"):
        make("esc50", root).prepare()


def test_skip_hands_them_on_as_failures(make, esc50_root, two_classes):
    root = esc50_root(two_classes)
    (root / "audio" / "1-rooster.wav").unlink()
    module = make("esc50", root, on_bad_clip="skip")
    module.prepare()
    (batch,) = module.test_dataloader()
    assert batch.index_N.tolist() == [0]
    (failure,) = batch.failures
    assert failure.position == 1
    assert failure.reason == f"{root}/audio/1-rooster.wav: no such file."
