"""What `doctor` says a data set consists of."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from calm_pl.data.inventory import alike_labels, class_counts, durations, file_kinds
from calm_pl.data.questions.clips import Clip, Listing
from calm_pl.media import Header, read_headers


def clips(counts, **place):
    """So many clips of each class in a place."""
    return [
        Clip(f"{place}{label}{n}", Path("x"), (label,), (), **place)
        for label, count in counts.items()
        for n in range(count)
    ]


def test_splits_that_differ_and_classes_that_one_lacks():
    found = [
        *clips({"dog": 20, "rain": 10}, split="train"),
        *clips({"dog": 3, "rain": 3}, split="val"),
        *clips({"rain": 4}, split="test"),
        *clips({"dog": 1}, split="extra"),
    ]
    assert class_counts(Listing(("dog", "rain"), found, heldout="val")) == [
        "train (support): 30 clips of 2 classes: dog 20, rain 10",
        "val (held-out): 6 clips of 2 classes, 3 each",
        "test (query): 4 clips of 1 class, 4 each; none of dog",
        "extra (on neither side): 1 clip of 1 class, 1 each; none of rain",
    ]


def test_equal_folds_take_one_line():
    folds = ("1", "2", "3")
    found = [clip for fold in folds for clip in clips({"a": 2 + (fold == "3"), "b": 2}, fold=fold)]
    assert class_counts(Listing(("a", "b"), found, folds=folds, fold="1")) == [
        "fold 1, fold 2: each 4 clips of 2 classes, 2 each",
        "fold 3: 5 clips of 2 classes: a 3, b 2",
    ]


def test_of_many_classes_the_extremes_are_named():
    counts = {f"c{n:03d}": n + 1 for n in range(300)}
    (line, _) = class_counts(
        Listing(tuple(counts), [*clips(counts, split="train"), *clips({"c000": 1}, split="test")])
    )
    assert line == (
        "train (support): 45,150 clips of 300 classes, median 150.5; fewest c000 1, c001 2, c002 3;"
        " most c299 300, c298 299, c297 298"
    )


def test_files_by_format_rate_and_channels():
    one = Header("wav", 1.0, 44_100, 2)
    assert file_kinds([one] * 3) == "all wav; all 44,100 Hz; all stereo"
    others = [Header("mp4"), Header("wav", 1.0, 8_000, 1), Header("wav", 1.0, 8_000, 6), Header("")]
    assert file_kinds([*[one] * 1_000, *others]) == (
        "1,002 wav, 1 mp4, 1 of unknown format; 1,000 44,100 Hz, 2 8,000 Hz;"
        " 1,000 stereo, 1 mono, 1 of 6 channels"
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        ([0.5], "0.50 s, median 0.50 s, 0.5 s in all"),
        ([0.05, 4, 60], "0.05 to 60.00 s, median 4.00 s, 1.1 min in all"),
        ([1800] * 5, "1800.00 s, median 1800.00 s, 2.5 h in all"),
    ],
)
def test_durations(seconds, text):
    assert durations(seconds) == text


def test_labels_that_may_be_one_class():
    assert alike_labels(["car horn", "car_horn", "rain"]) == [("car horn", "car_horn")]
    assert alike_labels(["dog", "dogs", "rain"]) == [("dog", "dogs")]
    assert alike_labels(["chainsaw", "chiansaw", "chain_sow"]) == [
        ("chain_sow", "chainsaw"),
        ("chainsaw", "chiansaw"),
    ]
    assert alike_labels(["speaker 1", "speaker 2", "cat", "bat", "nineteen", "ninety"]) == []


def test_headers_go_by_content_and_never_fail(tmp_path):
    sound = np.zeros((4_000, 2))
    soundfile.write(tmp_path / "a.mp3", sound, 8_000, format="WAV")
    soundfile.write(tmp_path / "b.flac", sound, 8_000)
    (tmp_path / "c.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(100))
    (tmp_path / "d.wav").write_text("404")
    paths = [tmp_path / name for name in ("a.mp3", "b.flac", "c.mp4", "d.wav", "gone.wav")]
    assert list(read_headers(paths)) == [
        Header("wav", 0.5, 8_000, 2),
        Header("flac", 0.5, 8_000, 2),
        Header("mp4"),
        Header(""),
        Header(""),
    ]
