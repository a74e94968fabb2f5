"""Your own clips in folders."""

import pytest
from tiny_layouts import labels, module, prepared, touch

from calm_pl.errors import DataError


def make(root, classes=("cat", "dog"), n=6, part=""):
    for label in classes:
        for i in range(n):
            touch(root / part / label / f"{label}{i}.wav")
    return root


def test_sub_folders_are_classes_in_the_order_of_their_names(tmp_path):
    data = prepared("folder", make(tmp_path, ("dog", "cat")), shots=None)
    assert data.classes == ("cat", "dog")
    assert sorted(labels(data, data.query)) == ["cat"] * 3 + ["dog"] * 3
    assert sorted(labels(data, data.support)) == ["cat"] * 3 + ["dog"] * 3
    assert not {q.clip.path for q in data.query} & {q.clip.path for q in data.support}


@pytest.mark.parametrize(("fraction", "queries"), [(0.01, 1), (0.25, 2), (0.5, 3), (0.99, 5)])
def test_the_fraction_leaves_something_on_both_sides(tmp_path, fraction, queries):
    data = prepared("folder", make(tmp_path), query_fraction=fraction)
    assert labels(data, data.query).count("cat") == queries


def test_the_query_is_the_same_for_every_seed_and_draw(tmp_path):
    make(tmp_path)
    first, second = (prepared("folder", tmp_path, seed=seed, draws=3) for seed in (0, 9))
    assert [q.clip for q in first.query] == [q.clip for q in second.query]
    assert len({one.query for one in first.rounds}) == 1


def test_train_and_test_folders_are_kept(tmp_path):
    for part in ("train", "test", "val"):
        make(tmp_path, part=part, n=2)
    data = prepared("folder", tmp_path, heldout_shots=1)
    assert {q.clip.id.split("/")[0] for q in data.query} == {"test"}
    (one,) = data.rounds
    assert {data.support[i].clip.split for i in one.support} == {"train"}
    assert {data.support[i].clip.split for i in one.heldout} == {"val"}


def test_a_class_may_be_called_train(tmp_path):
    assert prepared("folder", make(tmp_path, ("airplane", "train"))).classes == ("airplane", "train")


def test_hidden_files_do_not_count_and_others_are_named(tmp_path):
    make(tmp_path)
    touch(tmp_path / "cat" / ".DS_Store")
    touch(tmp_path / ".git" / "x.wav")
    touch(tmp_path / "cat" / "notes.txt")
    touch(tmp_path / "cat" / "old" / "list.csv")
    data = prepared("folder", tmp_path)
    assert data.classes == ("cat", "dog")
    assert data.notes == ["not media and left out: cat/notes.txt and 1 more"]


def test_containers_and_sub_folders_count(tmp_path):
    make(tmp_path, n=1)
    touch(tmp_path / "cat" / "phone" / "a.M4A")
    touch(tmp_path / "dog" / "b.mp4")
    ids = {c.id for c in module("folder", tmp_path).benchmark.read().clips}
    assert ids == {"cat/cat0.wav", "cat/phone/a.M4A", "dog/dog0.wav", "dog/b.mp4"}


def test_a_class_of_one_clip_is_support(tmp_path):
    make(tmp_path)
    touch(tmp_path / "owl" / "one.wav")
    data = prepared("folder", tmp_path)
    assert "owl" in labels(data, data.support)
    assert "owl" not in labels(data, data.query)


def test_copies_under_two_names_are_found_by_their_content(tmp_path):
    for part in ("train", "test"):
        make(tmp_path, part=part, n=2)
    (tmp_path / "test" / "cat" / "other.wav").write_bytes(
        (tmp_path / "train" / "cat" / "cat0.wav").read_bytes()
    )
    with pytest.raises(DataError, match="files with the same bytes"):
        prepared("folder", tmp_path, shots=None)
    prepared("folder", tmp_path, shots=None, leak_guard="names")


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ([], "contains no media file"),
        (["cat/readme.txt", "dog/readme.txt"], "contains no media file"),
        (["cat/a.wav", "cat/b.wav"], "has 1 classes; a benchmark needs 2 or more"),
        (["train/a/x.wav", "test/a/y.wav", "extra/a/z.wav"], "beside them extra/, which is none of"),
    ],
)
def test_layouts_that_cannot_be_meant(tmp_path, paths, message):
    for path in paths:
        touch(tmp_path / path)
    with pytest.raises(DataError, match=message):
        prepared("folder", tmp_path)


def test_a_root_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match="which is not a folder"):
        prepared("folder", tmp_path / "nowhere")


def test_a_class_of_the_query_alone_stops(tmp_path):
    make(tmp_path, part="train")
    make(tmp_path, ("cat", "dog", "owl"), part="test")
    with pytest.raises(DataError, match="Class 'owl' has no clip to take support from"):
        prepared("folder", tmp_path)


def test_cross_validation_asks_about_every_clip_once(tmp_path):
    data = prepared("folder", make(tmp_path), shots=None, cv_folds=4)
    asked = [position for one in data.rounds for position in one.query]
    assert sorted(asked) == list(range(12)) == list(range(len(data.support)))
    for one in data.rounds:
        assert {data.support[n].clip.id for n in one.support}.isdisjoint(
            data.query[n].clip.id for n in one.query
        )
    assert prepared("folder", tmp_path, cv_folds=4, fold="2").rounds[0].fold == "2"


def test_names_tell_which_clips_are_of_one_recording(tmp_path):
    for label in ("cat", "dog"):
        for n in range(6):
            touch(tmp_path / label / f"{label}{n // 2}_{n % 2}.wav")
    data = prepared("folder", tmp_path, shots=None, cv_folds=3, group_pattern="auto")
    for one in data.rounds:
        assert len({data.query[n].clip.path.stem.split("_")[0] for n in one.query}) == 2
    assert data.notes[0] == "recordings guessed from file names: 6 of 12 clips, such as 'dog2' with 2"
    with pytest.raises(DataError, match="no class has two recordings"):
        prepared("folder", tmp_path, cv_folds=3, group_pattern="^(.).*")
