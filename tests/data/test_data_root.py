"""A wrong root: what is missing, what is expected, and where it may be."""

import re
import shutil

import pytest

from calm_pl.assets import resolve
from calm_pl.errors import DataError

pytest_plugins = ["tiny_data_sets"]


@pytest.mark.parametrize(("benchmark", "missing"), [("esc50", "meta/esc50.csv"), ("fsdd", "recordings")])
def test_an_empty_folder(make, tmp_path, benchmark, missing):
    expected = rf"data\.root is '{re.escape(str(tmp_path))}', but {missing} is not in it\. Expected: the "
    with pytest.raises(DataError, match=expected) as caught:
        make(benchmark, tmp_path).prepare()
    assert "Did you mean" not in str(caught.value)


@pytest.mark.parametrize("benchmark", ["esc50", "fsdd"])
def test_a_folder_that_is_not_there(make, tmp_path, benchmark):
    with pytest.raises(DataError, match=r"data\.root is '.*nowhere', but .* is not in it"):
        make(benchmark, tmp_path / "nowhere").prepare()


def test_a_file(make, esc50_root, two_classes):
    with pytest.raises(DataError, match=r"data\.root is "):
        make("esc50", esc50_root(two_classes) / "meta" / "esc50.csv").prepare()


def test_esc50_one_folder_deeper_is_hinted_at(make, esc50_root, two_classes):
    root = esc50_root(two_classes, "ESC-50-master")
    with pytest.raises(DataError, match=rf" Did you mean {re.escape(str(root))}\?$"):
        make("esc50", root.parent).prepare()


def test_fsdd_one_folder_deeper_is_hinted_at(make, fsdd_root):
    root = fsdd_root(name="free-spoken-digit-dataset")
    with pytest.raises(DataError, match=rf" Did you mean {re.escape(str(root))}\?$"):
        make("fsdd", root.parent).prepare()


def test_esc50_without_its_audio_folder(make, esc50_root, two_classes):
    root = esc50_root(two_classes)
    shutil.rmtree(root / "audio")
    with pytest.raises(DataError, match=r"but audio is not in it"):
        make("esc50", root).prepare()


def test_the_root_of_another_benchmark(make, fsdd_root):
    with pytest.raises(DataError, match=r"meta/esc50\.csv is not in it\. Expected: the ESC-50 folder"):
        make("esc50", fsdd_root()).prepare()


def test_fsdd_without_recordings(make, tmp_path):
    (tmp_path / "recordings").mkdir()
    with pytest.raises(DataError, match=r"recordings contains no \.wav file\. Expected: the FSDD folder"):
        make("fsdd", tmp_path).prepare()


def test_a_bundled_name_that_there_is_not(make):
    with pytest.raises(DataError, match=r"'bundled:esc11' is not bundled\. Bundled: .*bundled:esc10"):
        make("esc50", "bundled:esc11")


@pytest.mark.parametrize("name", ["bundled:", "bundled:..", "bundled:esc10/../esc10", "bundled:__pycache__"])
def test_bundled_names_are_not_paths(name):
    with pytest.raises(DataError, match=r"is not bundled"):
        resolve(name)


def test_the_home_folder_is_resolved(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert resolve("~/sounds") == str(tmp_path / "sounds")
    assert resolve("a/~b") == "a/~b"
