"""Data sets in the form of the package `datasets`."""

import io
import sys

import numpy as np
import pytest
import soundfile
from tiny_layouts import labels, module, prepared

from calm_pl.data.settings import ColumnSettings
from calm_pl.errors import DataError

RATE = 8_000


@pytest.fixture(scope="module")
def datasets():
    return pytest.importorskip("datasets", reason="the extra calm_pl[datasets] is not installed")


def wav(level):
    buffer = io.BytesIO()
    soundfile.write(buffer, np.full(RATE // 5, level), RATE, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def table(datasets, names, feature=None, start=0, **columns):
    rows = {
        "audio": [
            {"bytes": wav(0.01 * (start + i)), "path": f"{name}{i}.wav"} for i, name in enumerate(names)
        ],
        "label": list(names),
        **columns,
    }
    features = datasets.Features(
        {
            "audio": {"bytes": datasets.Value("binary"), "path": datasets.Value("string")},
            "label": feature or datasets.Value("string"),
            **{name: datasets.Value("string") for name in columns},
        }
    )
    return datasets.Dataset.from_dict(rows, features=features).cast_column("audio", datasets.Audio())


@pytest.fixture
def cache(tmp_path):
    return {"cache_dir": str(tmp_path / "cache")}


def test_splits_and_class_labels(datasets, tmp_path, cache):
    feature = datasets.ClassLabel(names=["zebra", "ant", "unused"])
    names = ["zebra", "ant", "zebra", "ant"]
    both = {"train": table(datasets, names, feature), "test": table(datasets, names, feature, start=10)}
    datasets.DatasetDict(both).save_to_disk(str(tmp_path / "saved"))
    data = prepared("huggingface", tmp_path / "saved", shots=None, **cache)
    assert data.classes == ("zebra", "ant")
    assert sorted(labels(data, data.query)) == ["ant", "ant", "zebra", "zebra"]
    assert {q.clip.split for q in data.query} == {"test"}
    assert len(data.support) == 4


def test_clips_are_written_once_and_are_the_same_bytes(datasets, tmp_path, cache):
    table(datasets, ["a", "b"] * 3).save_to_disk(str(tmp_path / "saved"))
    clips = module("huggingface", tmp_path / "saved", **cache).benchmark.read().clips
    assert {c.path.read_bytes() for c in clips} == {wav(0.01 * i) for i in range(6)}
    assert all(c.path.suffix == ".wav" and c.path.is_relative_to(tmp_path / "cache") for c in clips)
    times = {c.path: c.path.stat().st_mtime_ns for c in clips}
    again = module("huggingface", tmp_path / "saved", **cache).benchmark.read().clips
    assert {c.path: c.path.stat().st_mtime_ns for c in again} == times
    assert [c.id for c in again] == [c.id for c in clips]
    assert not list((tmp_path / "cache").rglob("*.part"))


def test_a_single_split_is_divided(datasets, tmp_path, cache):
    table(datasets, ["a", "b"] * 4).save_to_disk(str(tmp_path / "saved"))
    data = prepared("huggingface", tmp_path / "saved", **cache)
    assert sorted(labels(data, data.query)) == ["a", "a", "b", "b"]


def test_fold_and_group_columns(datasets, tmp_path, cache):
    names = ["a", "b"] * 4
    folds = [str(i // 4 + 1) for i in range(8)]
    takes = [f"t{i}" for i in range(8)]
    table(datasets, names, fold=folds, take=takes).save_to_disk(str(tmp_path / "saved"))
    columns = ColumnSettings(group="take")
    data = prepared("huggingface", tmp_path / "saved", fold=2, columns=columns, **cache)
    assert {q.clip.fold for q in data.query} == {"2"}
    assert {q.clip.groups for q in data.query} == {(f"t{i}",) for i in range(4, 8)}


def test_lists_of_class_labels_are_several_labels(datasets, tmp_path, cache):
    names = [("a", "b"), ("c",), ("a",), ("b", "c")] * 2
    rows = table(datasets, ["x"] * 8).remove_columns("label")
    rows = rows.add_column("labels", [["abc".index(n) for n in one] for one in names])
    feature = datasets.Sequence(datasets.ClassLabel(names=["a", "b", "c"]))
    rows.cast_column("labels", feature).save_to_disk(str(tmp_path / "saved"))
    data = module("huggingface", tmp_path / "saved", **cache)
    assert sorted(c.labels for c in data.benchmark.read().clips) == sorted(names)
    assert data.benchmark.multi_label


def test_the_same_clip_in_both_splits_is_a_leak(datasets, tmp_path, cache):
    both = {"train": table(datasets, ["a", "b"]), "test": table(datasets, ["a", "b"])}
    datasets.DatasetDict(both).save_to_disk(str(tmp_path / "saved"))
    with pytest.raises(DataError, match="Support and query share 2 recordings"):
        prepared("huggingface", tmp_path / "saved", **cache)


def test_a_folder_of_files_is_loaded_too(datasets, tmp_path, cache, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    (tmp_path / "repo").mkdir()
    table(datasets, ["a", "b"] * 2).to_parquet(str(tmp_path / "repo" / "train.parquet"))
    data = prepared("huggingface", tmp_path / "repo", **cache)
    assert data.classes == ("a", "b")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (ColumnSettings(label="kind"), "data.columns.label is 'kind', but .* has the columns audio, label"),
        (ColumnSettings(group="take"), "data.columns.group is 'take'"),
    ],
)
def test_wrong_columns_are_named(datasets, tmp_path, cache, columns, message):
    table(datasets, ["a", "b"]).save_to_disk(str(tmp_path / "saved"))
    with pytest.raises(DataError, match=message):
        module("huggingface", tmp_path / "saved", columns=columns, **cache).benchmark.read()


def test_a_row_without_label_or_clip_is_named(datasets, tmp_path, cache):
    feature = datasets.ClassLabel(names=["a", "b"])
    rows = table(datasets, ["a", "b"], feature).remove_columns("label").add_column("label", [0, -1])
    rows.cast_column("label", feature).save_to_disk(str(tmp_path / "one"))
    with pytest.raises(DataError, match=r"row 1: label must be 0 to 1, but is -1"):
        module("huggingface", tmp_path / "one", **cache).benchmark.read()
    gone = datasets.Dataset.from_dict({"audio": ["/nowhere/x.wav"], "label": ["a"]})
    gone.save_to_disk(str(tmp_path / "two"))
    with pytest.raises(DataError, match=r"row 0: holds neither the clip's bytes nor the path of a file"):
        module("huggingface", tmp_path / "two", **cache).benchmark.read()


def test_files_that_a_table_names_are_read_where_they_are(datasets, tmp_path, cache):
    (tmp_path / "x.wav").write_bytes(wav(0.1))
    datasets.Dataset.from_dict({"audio": [str(tmp_path / "x.wav")], "label": ["a"]}).save_to_disk(
        str(tmp_path / "s")
    )
    (clip,) = module("huggingface", tmp_path / "s", **cache).benchmark.read().clips
    assert clip.path == tmp_path / "x.wav"


def test_a_name_that_cannot_be_loaded_is_named(datasets, cache):
    with pytest.raises(DataError, match=r"data.root is 'nobody/nothing:small', which `datasets` cannot load"):
        module("huggingface", "nobody/nothing:small", **cache).benchmark.read()


def test_without_the_package_the_extra_is_named(monkeypatch, cache):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"pip install 'calm_pl\[datasets\]'"):
        module("huggingface", "x/y", **cache).benchmark.read()
