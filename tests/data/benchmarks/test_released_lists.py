"""The JSON lists of the released CALM code are read as they are."""

import json

import pytest
from tiny_layouts import labels, prepared, touch

from calm_pl.errors import DataError


def lists(root, **items):
    """Write lists; returns settings for them."""
    paths = {}
    for name, rows in items.items():
        (root / f"{name}.json").write_text(json.dumps(rows, indent=2))
        paths["manifest" if name == "train" else "query_manifest"] = str(root / f"{name}.json")
    return {**paths, "shots": None}


def mcq(name, label, options, **more):
    lettered = " ".join(f"{letter}. {option}" for letter, option in zip("ABCD", options, strict=False))
    return {
        "wav": f"/their/machine/audio_16k/{name}",
        "question": f"What caption does the given audio belong to?\n{lettered}",
        "answer": "ABCD"[options.index(label)],
        "label": "/m/07rwj28",
        "mapped_label": label,
        "options": options,
        **more,
    }


OPTIONS = ["can_opening", "door_wood_knock", "sneezing", "snoring"]


def esc(root, **more):
    train = [mcq(f"1-{i}-A-0.wav", label, OPTIONS) for i, label in enumerate(OPTIONS)]
    test = [mcq(f"5-{i}-A-0.wav", label, OPTIONS[::-1], **more) for i, label in enumerate(OPTIONS)]
    for row in (*train, *test):
        touch(root / "audio" / row["wav"].rsplit("/", 1)[1])
    return train, test


def test_multiple_choice_lists(tmp_path):
    train, test = esc(tmp_path)
    data = prepared("manifest", tmp_path, **lists(tmp_path, train=train, test=test))
    assert data.classes == tuple(sorted(OPTIONS))
    assert labels(data, data.query) == OPTIONS
    for query, row in zip(data.query, test, strict=True):
        assert query.question == row["question"]
        assert [data.classes[i] for i in query.options] == row["options"]
        assert query.clip.path == tmp_path / "audio" / row["wav"].rsplit("/", 1)[1]
    assert not data.benchmark.multi_label


def test_audio_visual_lists(tmp_path):
    train, test = esc(tmp_path)
    for row in (*train, *test):
        name = row["wav"].rsplit("/", 1)[1].replace("wav", "mp4")
        row["video"] = f"/their/machine/VGGSound/video/{name}"
        touch(tmp_path / "video" / name)
    data = prepared("manifest", tmp_path, **lists(tmp_path, train=train, test=test))
    assert data.benchmark.modality == "video"
    assert data.query[0].clip.video == tmp_path / "video" / "5-0-A-0.mp4"


def test_spoofing_lists_without_options(tmp_path):
    def row(name, label):
        touch(tmp_path / "flac" / name)
        question = "Is this audio bonafide or spoofed? \n bonafide\n spoofed"
        return {"wav": f"/LA/flac/{name}", "question": question, "answer": label, "mapped_label": label}

    train = [row("LA_T_1.flac", "spoof"), row("LA_T_2.flac", "bonafide")]
    test = [row("LA_E_1.flac", "bonafide"), row("LA_E_2.flac", "spoof")]
    data = prepared("manifest", tmp_path, **lists(tmp_path, train=train, test=test))
    assert data.classes == ("bonafide", "spoof")
    assert {q.question for q in data.query} == {"Is this audio bonafide or spoofed? \n bonafide\n spoofed"}
    assert {q.options for q in data.query} == {()}


def audioset_item(name, label, true, options, number, key="correct_label"):
    lettered = ", ".join(f"{letter}) {option}" for letter, option in zip("ABCD", options, strict=True))
    return {
        "wav": f"/their/machine/audioset/audio/{name}.flac",
        "question": f"What audio event is present in this audio clip? Choose from: {lettered}",
        "options": options,
        "correct_answer": "ABCD"[options.index(label)],
        "correct_answer_index": options.index(label),
        key: label,
        "original_labels": true,
        "original_sample_id": number,
        "label_index_in_original": true.index(label),
    }


def test_audioset_lists_ask_one_clip_several_times(tmp_path):
    names = ["Gush", "Speech", "Baby cry, infant cry", "Bark"]
    both = ["Gush", "Speech"]
    train = [audioset_item(f"train_{i}", n, [n], names, i, key="mapped_label") for i, n in enumerate(names)]
    test = [
        audioset_item("--PJHxphWEs", label, both, names[i:] + names[:i], 0) for i, label in enumerate(both)
    ]
    test.append(audioset_item("other", "Bark", ["Bark"], names, 1))
    for row in (*train, *test):
        touch(tmp_path / "audio" / row["wav"].rsplit("/", 1)[1])
    data = prepared("manifest", tmp_path, **lists(tmp_path, train=train, test=test))
    assert data.benchmark.multi_label
    assert [(q.clip.id, data.classes[q.label]) for q in data.query] == [
        ("audio/--PJHxphWEs.flac", "Gush"),
        ("audio/--PJHxphWEs.flac", "Speech"),
        ("audio/other.flac", "Bark"),
    ]
    assert data.query[1].question == test[1]["question"]
    assert [data.classes[i] for i in data.query[1].options] == test[1]["options"]
    assert data.task().num_clips == 2


def test_support_clips_have_the_labels_that_their_list_gives(tmp_path):
    names = ["Gush", "Speech", "Stream", "Bark"]
    train = [audioset_item(f"t{i}", n, [n, "Music"], names, i) for i, n in enumerate(names)]
    test = [audioset_item("q", "Gush", ["Gush"], names, 9)]
    for row in (*train, *test):
        touch(tmp_path / row["wav"].rsplit("/", 1)[1])
    data = prepared("manifest", tmp_path, **lists(tmp_path, train=train, test=test))
    assert {q.clip.labels for q in data.support} == {(name,) for name in names}


def test_a_file_of_that_name_is_looked_for_by_the_end_of_its_path(tmp_path):
    train, test = esc(tmp_path)
    touch(tmp_path / "audio_16k" / "5-0-A-0.wav")
    data = prepared("manifest", tmp_path, **lists(tmp_path, train=train, test=test))
    assert {q.clip.path.parent.name for q in data.query if q.clip.path.name == "5-0-A-0.wav"} == {"audio_16k"}


def test_two_files_of_that_name_are_not_guessed_at(tmp_path):
    train, test = esc(tmp_path)
    touch(tmp_path / "more" / "5-0-A-0.wav")
    with pytest.raises(DataError, match=r"test.json, item 1: 5-0-A-0.wav is more than once below"):
        prepared("manifest", tmp_path, **lists(tmp_path, train=train, test=test))


def test_a_clip_that_is_nowhere_is_missing(tmp_path):
    train, test = esc(tmp_path)
    (tmp_path / "audio" / "5-0-A-0.wav").unlink()
    with pytest.raises(DataError, match=r"1 of 8 clips are not on disk[^\n]*\n  .*/5-0-A-0.wav$"):
        prepared("manifest", tmp_path, **lists(tmp_path, train=train, test=test))


def test_relative_paths_do_not_leave_the_root_either(tmp_path):
    train, test = esc(tmp_path)
    test[0]["wav"] = "../5-0-A-0.wav"
    with pytest.raises(DataError, match=r"test.json, item 1: path must stay below"):
        prepared("manifest", tmp_path, **lists(tmp_path, train=train, test=test))
