"""Data sets in the form of the package `datasets`."""

import io
import re
import sys

import numpy as np
import pytest
import soundfile
from tiny_layouts import labels, module, prepared

from calm_pl.data.own.hf_tables import wav_of
from calm_pl.data.own.settings import ColumnSettings
from calm_pl.errors import BadClipError, DataError
from calm_pl.media import load_audio

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
    assert "class labels without a clip: unused" in data.notes
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


@pytest.fixture
def own_cache(datasets, tmp_path, monkeypatch):
    """What `datasets` makes of folders goes here."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")


@pytest.fixture
def without_torchcodec(monkeypatch):
    for name in ("torchcodec", "torchcodec.encoders", "torchcodec.decoders"):
        monkeypatch.setitem(sys.modules, name, None)


@pytest.mark.parametrize("root", ["repo", "repo/train.parquet"])
def test_parquet_is_loaded_too(datasets, tmp_path, cache, own_cache, without_torchcodec, root):
    (tmp_path / "repo").mkdir()
    table(datasets, ["a", "b"] * 2).to_parquet(str(tmp_path / "repo" / "train.parquet"))
    data = prepared("huggingface", tmp_path / root, **cache)
    assert data.classes == ("a", "b")


def audio_folder(root):
    for n in range(8):
        path = root / "train" / "ab"[n % 2] / f"{n}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(wav(0.01 * n))
    return root


def test_a_folder_of_sound_needs_no_torchcodec(tmp_path, cache, own_cache, without_torchcodec):
    root = audio_folder(tmp_path / "repo")
    clips = module("huggingface", root, **cache).benchmark.read().clips
    assert [clip.id for clip in clips] == sorted(f"train/{'ab'[n % 2]}/{n}.wav" for n in range(8))
    assert all(clip.path == root / clip.id for clip in clips)


def test_a_class_folder_without_a_clip_is_named(tmp_path, cache, own_cache):
    root = audio_folder(tmp_path / "repo")
    (root / "train" / ".hidden").mkdir()
    module("huggingface", root, **cache).benchmark.read()
    (root / "train" / "c").mkdir()
    (root / "train" / "c" / "notes.txt").write_text("to be recorded")
    with pytest.raises(DataError, match=r"the class's folder 'train/c' contains no clip"):
        module("huggingface", root, **cache).benchmark.read()


@pytest.mark.parametrize("as_struct", [False, True])
def test_relative_paths_are_below_the_root(datasets, tmp_path, cache, own_cache, as_struct):
    root = audio_folder(tmp_path / "repo")
    paths = [f"train/{'ab'[n % 2]}/{n}.wav" for n in range(8)]
    cells = [{"bytes": None, "path": path} for path in paths] if as_struct else paths
    rows = datasets.Dataset.from_dict({"file": cells, "label": ["a", "b"] * 4})
    rows.to_parquet(str(tmp_path / "repo" / "list.parquet"))
    root = tmp_path / "repo" / "list.parquet"
    clips = module("huggingface", root, **cache).benchmark.read().clips
    assert [clip.id for clip in clips] == sorted(paths)
    assert all(clip.path.is_file() for clip in clips)
    (tmp_path / "repo" / paths[3]).unlink()
    with pytest.raises(
        DataError, match=r"1 of 8 clips are not on disk .*on_missing=skip.*\n.*/train/b/3\.wav"
    ):
        prepared("huggingface", root, **cache)


@pytest.mark.parametrize("beside", [False, True])
def test_samples_are_written_as_they_are(datasets, tmp_path, cache, beside):
    samples = np.linspace(-0.5, 0.5, 1_600, dtype=np.float32)
    arrays = [(samples * (i + 1) / 4).tolist() for i in range(4)]
    columns = {"label": ["a", "b"] * 2, "audio": arrays, "sampling_rate": [RATE] * 4}
    if not beside:
        del columns["sampling_rate"]
        columns["audio"] = [{"array": array, "sampling_rate": RATE} for array in arrays]
    datasets.Dataset.from_dict(columns).save_to_disk(str(tmp_path / "s"))
    clips = module("huggingface", tmp_path / "s", **cache).benchmark.read().clips
    read = [soundfile.read(clip.path, dtype="float32") for clip in clips]
    assert {rate for _, rate in read} == {RATE}
    found = {tuple(values.tolist()) for values, _ in read}
    assert found == {tuple(np.float32(array).tolist()) for array in arrays}


def test_samples_without_a_rate_are_one_error(datasets, tmp_path, cache):
    datasets.Dataset.from_dict({"label": ["a"], "audio": [[0.1] * 9]}).save_to_disk(str(tmp_path / "s"))
    with pytest.raises(DataError, match=r"row 0, audio: holds samples whose sampling_rate, .* is None\.$"):
        module("huggingface", tmp_path / "s", **cache).benchmark.read()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # it leaves the file open
def test_what_cannot_be_loaded_says_the_root_cause(tmp_path, cache, own_cache):
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo" / "train.csv").write_text('file,label\n"a.wav,a\nb.wav,b\n')  # an open quote
    with pytest.raises(DataError, match=r"`datasets` cannot load: .*EOF inside string.* \(ParserError\)$"):
        module("huggingface", tmp_path / "repo", **cache).benchmark.read()


@pytest.mark.parametrize(
    ("array", "rate", "message"),
    [
        ([[0.1], [0.1, 0.2]], 8_000, "unequal length"),
        ([], 8_000, r"must be samples .* float64 \(0,\)"),
        ([["a"]], 8_000, "must be samples"),
        ([0.1], None, "sampling_rate, .* is None"),
        ([0.1], True, "sampling_rate, .* is True"),
        ([0.1], 0, "sampling_rate, .* is 0"),
    ],
)
def test_samples_that_are_none(array, rate, message):
    with pytest.raises(ValueError, match=message):
        wav_of(array, rate)


def test_samples_of_several_channels_and_of_16_bits():
    stereo, rate = soundfile.read(io.BytesIO(wav_of([[0.5, 0.25, 0.0], [-0.5, 0.0, 3.0]], 44_100)))
    np.testing.assert_array_equal(stereo, [[0.5, -0.5], [0.25, 0.0], [0.0, 3.0]])
    assert rate == 44_100
    integers, _ = soundfile.read(io.BytesIO(wav_of([16_384, -32_768], 8_000.0)))
    np.testing.assert_array_equal(integers, [0.5, -1.0])


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
    rows = datasets.Dataset.from_dict({"audio": ["x.wav", None], "label": ["a", "b"]})
    rows.save_to_disk(str(tmp_path / "two"))
    with pytest.raises(DataError, match=r"row 1, audio: must be a path, bytes, or samples .* but is None"):
        module("huggingface", tmp_path / "two", **cache).benchmark.read()


def test_a_row_without_a_clip_can_be_skipped_as_a_bad_file(datasets, tmp_path, cache):
    rows = datasets.Dataset.from_dict({"audio": [None, None, [0.1]], "label": ["a", "b", "a"]})
    rows.save_to_disk(str(tmp_path / "two"))
    clips = module("huggingface", tmp_path / "two", on_bad_clip="skip", **cache).benchmark.read().clips
    assert len({clip.id for clip in clips}) == 3
    found = []
    for clip in clips:
        with pytest.raises(BadClipError) as error:
            load_audio(clip.path, RATE, 1.0)
        found.append(str(error.value).partition(", ")[2])
    messages = ("row 0, audio: must be", "row 1, .* but is None", "row 2, audio: .*rate")
    for text, message in zip(sorted(found), messages, strict=True):
        assert re.search(message, text)


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
