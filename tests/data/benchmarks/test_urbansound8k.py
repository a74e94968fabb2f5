"""UrbanSound8K in its layout."""

import pytest
from tiny_layouts import module, prepared, touch, urbansound8k

from calm_pl.data.benchmarks.urbansound8k import CLASSES
from calm_pl.errors import DataError


@pytest.mark.parametrize(("fold", "name"), [(None, "1"), (10, "10"), ("3", "3")])
def test_a_fold_is_the_query_and_the_others_the_pool(tmp_path, fold, name):
    data = prepared("urbansound8k", urbansound8k(tmp_path), fold=fold, shots=None)
    assert data.classes == ("dog_bark", "siren")
    assert {q.clip.fold for q in data.query} == {name}
    assert len(data.query) == 2
    assert len(data.support) == 18
    assert name not in {q.clip.fold for q in data.support}


def test_all_ten_folds_in_turn(tmp_path):
    data = prepared("urbansound8k", urbansound8k(tmp_path), fold="all", draws=2)
    assert [(one.fold, one.draw) for one in data.rounds] == [
        (str(f), d) for f in range(1, 11) for d in (0, 1)
    ]
    assert len(data.query) == 20
    asked = [i for one in data.rounds if one.draw == 0 for i in one.query]
    assert sorted(asked) == list(range(20))
    for one in data.rounds:
        assert {data.query[i].clip.fold for i in one.query} == {one.fold}
        assert one.fold not in {data.support[i].clip.fold for i in one.support}


def rows_of_a_shared_recording():
    """Recording 100 has an excerpt in folds 1 and 2, as five recordings of the official set have."""
    rows = [f"{n}-3-0-{n}.wav,100,0.0,0.3,1,{n},3,dog_bark" for n in (1, 2)]
    return rows + [
        f"{n}-{k}-0-9.wav,{n}{k},0.0,0.3,1,{n},{k},{CLASSES[k]}" for n in (1, 2, 3) for k in (3, 8)
    ]


@pytest.mark.parametrize(
    ("fold", "queries", "left_out"), [(1, 3, {"2-3-0-2.wav"}), (2, 3, {"1-3-0-1.wav"}), (3, 2, set())]
)
def test_support_clips_of_the_query_s_recordings_are_left_out(tmp_path, fold, queries, left_out):
    data = prepared(
        "urbansound8k", urbansound8k(tmp_path, rows_of_a_shared_recording()), fold=fold, shots=None
    )
    assert len(data.query) == queries
    every = {row.split(",")[0] for row in rows_of_a_shared_recording()}
    asked = {q.clip.id for q in data.query}
    assert {q.clip.id for q in data.support} == every - asked - left_out
    note = "1 clip of the query's own recordings (recording 100) left out of the support pool"
    assert (note in data.notes) == bool(left_out)


def test_each_fold_leaves_out_its_own(tmp_path):
    root = urbansound8k(tmp_path, rows_of_a_shared_recording())
    for fold in range(4, 11):
        rows = [f"{fold}-{k}-0-9.wav,{fold}{k},0,1,1,{fold},{k},{CLASSES[k]}" for k in (3, 8)]
        with (root / "metadata" / "UrbanSound8K.csv").open("a") as file:
            file.write("\n".join(rows) + "\n")
        for row in rows:
            touch(root / "audio" / f"fold{fold}" / row.split(",")[0])
    data = prepared("urbansound8k", root, fold="all", shots=None)
    for one in data.rounds:
        support = {group for i in one.support for group in data.support[i].clip.groups}
        assert support.isdisjoint(group for i in one.query for group in data.query[i].clip.groups)
    assert any(
        note.startswith("2 clips of the query's own recordings (recording 100) left out")
        for note in data.notes
    )


def test_copies_in_two_folds_are_still_a_leak(tmp_path):
    root = urbansound8k(tmp_path)
    first, second = (root / "audio" / f"fold{n}" / f"10{n}-3-0-0.wav" for n in (1, 2))
    second.write_bytes(first.read_bytes())
    with pytest.raises(DataError, match="files with the same bytes"):
        prepared("urbansound8k", root, shots=None)


def test_without_the_guard_nothing_is_left_out(tmp_path):
    root = urbansound8k(tmp_path, rows_of_a_shared_recording())
    data = prepared("urbansound8k", root, shots=None, leak_guard="none")
    assert len(data.support) == 5
    assert "the leak guard was off" in data.notes


def test_ten_classes_in_the_official_order():
    assert CLASSES[0] == "air_conditioner"
    assert CLASSES[9] == "street_music"
    assert len(CLASSES) == 10


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.wav,1,0,1,1,1,3,dog_barking", r"line 2: unknown label 'dog_barking'; did you mean 'dog_bark'"),
        ("a.wav,1,0,1,1,1,4,dog_bark", r"line 2: classID of 'dog_bark' must be 3, not '4'"),
        ("a.wav,1,0,1,1,11,3,dog_bark", r"line 2: fold must be 1 to 10, but is '11'"),
        ("../a.wav,1,0,1,1,1,3,dog_bark", r"line 2: filename must be a plain file name"),
        ("a.wav,1,0,1,1,1,3", r"line 2: must have 8 fields"),
    ],
)
def test_each_malformed_row_is_named(tmp_path, row, message):
    with pytest.raises(DataError, match=message):
        module("urbansound8k", urbansound8k(tmp_path, [row])).benchmark.read()


def test_a_header_of_another_set_is_refused(tmp_path):
    root = urbansound8k(tmp_path)
    meta = root / "metadata" / "UrbanSound8K.csv"
    meta.write_text(meta.read_text().replace("fsID", "id", 1))
    with pytest.raises(DataError, match=r"UrbanSound8K.csv: lacks the columns fsID"):
        module("urbansound8k", root).benchmark.read()
