"""AudioSet in its layout: several labels a clip, many names a file."""

import pytest
from tiny_layouts import (
    AUDIOSET_BALANCED,
    AUDIOSET_EVAL,
    audioset,
    labels,
    module,
    prepared,
    segments,
    touch,
    write,
)

from calm_pl.errors import DataError


def test_a_clip_is_asked_about_each_of_its_labels(tmp_path):
    data = prepared("audioset", audioset(tmp_path), shots=None, n_options=2)
    assert data.classes == ("Speech", "Male speech, man speaking", "Gush")
    assert data.benchmark.multi_label
    asked = sorted(zip((q.clip.id for q in data.query), labels(data, data.query), strict=True))
    assert asked == [
        ("eval-000002", "Speech"),
        ("eval0000_01", "Gush"),
        ("eval0000_01", "Male speech, man speaking"),
    ]
    for query in data.query:
        true = {data.classes.index(label) for label in query.clip.labels}
        assert true & set(query.options) == {query.label}
        assert query.question.startswith("What audio event is present in this audio clip? A. ")


def test_splits_and_groups(tmp_path):
    listing = module("audioset", audioset(tmp_path)).benchmark.read()
    assert (listing.pool, listing.query) == ("balanced_train", "eval")
    assert [c.split for c in listing.clips] == ["balanced_train"] * 3 + ["eval"] * 2
    assert listing.clips[0].groups == ("video --PJHxphWEs",)
    assert listing.clips[0].labels == ("Speech", "Gush")


@pytest.mark.parametrize(
    "name",
    [
        "{id}.wav",
        "Y{id}.wav",
        "{id}_30_40.wav",
        "{id}_30.000_40.000.flac",
        "{id}_30000.flac",
        "{id}_30000_40000.m4a",
        "{id}_30.mp3",
        "Y{id}_30.000_40.000.wav",
        "{id}_000030.wav",
    ],
)
@pytest.mark.parametrize("folder", ["audio/balanced_train", "audio/balanced_train_segments", "audio"])
def test_names_of_common_copies_are_found(tmp_path, name, folder):
    root = audioset(tmp_path)
    for path in (root / "audio").rglob("*.flac"):
        path.unlink()
    (root / "audio" / "balanced_train").rmdir()
    (root / "audio" / "eval").rmdir()
    path = touch(root / folder / name.format(id="--PJHxphWEs"))
    touch(root / folder / "bal_0000002x.wav")  # another video, whose id only begins alike
    clips = {clip.id: clip for clip in module("audioset", root).benchmark.read().clips}
    assert clips["--PJHxphWEs"].path == path
    assert not clips["bal_0000002"].path.exists()


def test_missing_clips_are_expected_in_their_split_s_folder(tmp_path):
    root = audioset(tmp_path)
    gone = root / "audio" / "eval" / f"{AUDIOSET_EVAL[0][0]}.flac"
    gone.unlink()
    data = prepared("audioset", root)
    assert [c.path for c in data.missing] == [gone.with_suffix(".wav")]
    note = "4 of AudioSet's 42,531 clips (balanced_train 3 of 22,160, eval 1 of 20,371), 3 of 527 classes"
    assert note in data.notes


def test_order_of_rows_changes_nothing(tmp_path):
    root = audioset(tmp_path)
    first = prepared("audioset", root, n_options=2)
    segments(root / "balanced_train_segments.csv", AUDIOSET_BALANCED[::-1])
    segments(root / "eval_segments.csv", AUDIOSET_EVAL[::-1])
    second = prepared("audioset", root, n_options=2)
    assert first.support == second.support
    assert sorted(first.query, key=str) == sorted(second.query, key=str)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('abc, 0.000, 10.000, "/m/09x0r"', r"line 7: YTID must have 11 characters, but is 'abc'"),
        ('abcdefghijk, x, 10.000, "/m/09x0r"', r"line 7: must start at 0 or more seconds"),
        ('abcdefghijk, 10.000, 10.000, "/m/09x0r"', r"line 7: must start at 0 or more seconds and end later"),
        ('abcdefghijk, 0.000, inf, "/m/09x0r"', r"line 7: must start"),
        ('abcdefghijk, 0.000, 10.000, "/m/none"', r"line 7: label '/m/none' is not in class_labels_indices"),
        ("abcdefghijk, 0.000, 10.000, /m/09x0r,/t/dd00088", r"line 7: must have 4 fields"),
        ('bal_0000003, 0.000, 10.000, "/m/09x0r"', r"lists bal_0000003 more than once"),
    ],
)
def test_each_malformed_row_is_named(tmp_path, line, message):
    root = audioset(tmp_path)
    with (root / "balanced_train_segments.csv").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(DataError, match=message):
        module("audioset", root).benchmark.read()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["0,/m/a,A", "2,/m/b,B"], r"line 3: index must be 1, but is '2'"),
        (["0,/m/a,A", "1,/m/b,A"], r"line 3: mid and display_name must be new"),
        (["0,/m/a,A", "1,/m/a,B"], r"line 3: mid and display_name must be new"),
    ],
)
def test_the_class_list_is_checked(tmp_path, lines, message):
    root = audioset(tmp_path)
    write(root / "class_labels_indices.csv", "index,mid,display_name", *lines)
    with pytest.raises(DataError, match=message):
        module("audioset", root).benchmark.read()


def test_a_root_without_any_list_says_so(tmp_path):
    root = audioset(tmp_path)
    (root / "balanced_train_segments.csv").unlink()
    (root / "eval_segments.csv").unlink()
    with pytest.raises(DataError, match=r"balanced_train_segments.csv is not in it"):
        prepared("audioset", root)
