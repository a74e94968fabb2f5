"""Splits under nearly right names: splits or an error, never classes; nothing dropped unsaid."""

import pytest
from tiny_layouts import module, prepared, touch, write

from calm_pl.errors import DataError


def make(root, parts, classes=("cat", "dog")):
    for part in parts:
        for label in classes:
            for take in range(2):
                touch(root / part / label / f"{label}{take}.wav")
    return root


def sides(data):
    return {q.clip.id.split("/")[0] for q in data.support}, {q.clip.id.split("/")[0] for q in data.query}


@pytest.mark.parametrize(
    ("parts", "pool", "query"),
    [
        (("Train", "Test"), "Train", "Test"),
        (("TRAIN", "TEST", "Val"), "TRAIN", "TEST"),
        (("training", "testing"), "training", "testing"),
        (("Training", "Evaluation"), "Training", "Evaluation"),
        (("train", "val"), "train", "val"),
        (("train", "valid"), "train", "valid"),
        (("train", "dev", "eval"), "train", "eval"),
    ],
)
def test_folders_in_any_case_are_splits(tmp_path, parts, pool, query):
    data = prepared("folder", make(tmp_path, parts), shots=None)
    assert data.classes == ("cat", "dog")
    assert sides(data) == ({pool}, {query})
    said = f"the split {query!r} is the query, since there is no test split"
    assert (said in data.notes) == query.startswith("val")


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (["train/cat/a.wav", "train/dog/b.wav"], r"has train/, but no test/ or val/: .*data.root=.*/train"),
        (["Test/cat/a.wav", "Test/dog/b.wav"], r"has Test/, but no train/"),
        (["train/cat/a.wav", "extra/cat/b.wav"], r"has train/, and beside them extra/"),
        (["train/cat/a.wav", "train/dog/b.wav", "test/a.wav"], r"has train/, and beside them test/"),
        (
            ["train/a.wav", "test/b.wav"],
            r"test/ and train/, named as splits are, but with no class",
        ),
        (["cat/a.wav", "dog/b.wav", "owl/c.txt"], r"the class's folder 'owl' contains no media file"),
        (
            ["train/cat/a.wav", "train/dog/b.wav", "test/cat/c.wav", "test/dog/d.txt"],
            r"the class's folder 'test/dog' contains no media file",
        ),
    ],
)
def test_folders_that_may_be_splits_are_never_classes(tmp_path, paths, message):
    for path in paths:
        touch(tmp_path / path)
    with pytest.raises(DataError, match=message):
        prepared("folder", tmp_path)


def test_splits_that_a_user_names_are_taken(tmp_path):
    make(tmp_path, ("dev", "test"))
    data = prepared("folder", tmp_path, shots=None, pool_split="dev", query_split="test")
    assert sides(data) == ({"dev"}, {"test"})


def test_loose_files_and_classes_of_one_side_are_named(tmp_path):
    make(tmp_path, ("train", "test"))
    touch(tmp_path / "train" / "owl" / "a.wav")
    touch(tmp_path / "train" / "loose.wav")
    touch(tmp_path / "._loose.wav")
    data = prepared("folder", tmp_path)
    assert data.notes == [
        "beside the classes' folders and left out: train/loose.wav",
        "classes without a query clip: owl",
    ]


def listed(root, splits):
    rows = []
    for n, split in enumerate(splits):
        for label in ("cat", "dog"):
            path = touch(root / f"{label}{n}.wav")
            rows.append(f"{path.name},{label},{split}")
    return str(write(root / "list.csv", "path,label,split", *rows))


@pytest.mark.parametrize(
    ("splits", "pool", "query", "notes"),
    [
        (["train", "TEST", "test "], 2, 4, []),
        (["Training", "Testing"], 2, 2, []),
        (
            ["train", "test", "unlabelled"],
            2,
            2,
            ["clips of these splits are on neither side: 'unlabelled' (2)"],
        ),
        (["TRAIN", "VAL"], 2, 2, ["the split 'val' is the query, since there is no test split"]),
    ],
)
def test_splits_of_a_list(tmp_path, splits, pool, query, notes):
    data = prepared("manifest", "", manifest=listed(tmp_path, splits), shots=None)
    assert (len(data.support), len(data.query), data.notes) == (pool, query, notes)


def test_the_official_layout_is_unchanged(tmp_path):
    listing = module("folder", make(tmp_path, ("train", "val", "test"))).benchmark.read()
    assert (listing.pool, listing.query, listing.heldout) == ("train", "test", "val")
