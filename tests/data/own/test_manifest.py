"""Your own clips by a list of them."""

import json
import random

import pytest
from tiny_layouts import labels, module, prepared, touch, write

from calm_pl.errors import DataError

NAMES = [f"{label}{i}.wav" for label in ("cat", "dog") for i in range(4)]


@pytest.fixture
def sounds(tmp_path):
    for name in NAMES:
        touch(tmp_path / "clips" / name)
    return tmp_path


def csv_rows():
    return [f"clips/{name},{name[:3]}" for name in NAMES]


def test_csv_without_a_division_is_divided(sounds):
    path = write(sounds / "list.csv", "path,label", *csv_rows())
    data = prepared("manifest", "", manifest=str(path), shots=None)
    assert data.root == sounds
    assert sorted(labels(data, data.query)) == ["cat"] * 2 + ["dog"] * 2
    assert sorted(labels(data, data.support)) == ["cat"] * 2 + ["dog"] * 2
    assert not data.benchmark.multi_label
    assert data.benchmark.modality == "audio"


@pytest.mark.parametrize("suffix", ["csv", "tsv", "json", "jsonl", "ndjson"])
def test_every_form_gives_the_same_clips(sounds, suffix):
    rows = [
        {"path": f"clips/{name}", "label": name[:3], "split": "test" if "0" in name else "train"}
        for name in NAMES
    ]
    if suffix in ("csv", "tsv"):
        comma = "," if suffix == "csv" else "\t"
        lines = [comma.join(("path", "label", "split")), *(comma.join(row.values()) for row in rows)]
    else:
        lines = [json.dumps(rows, indent=1)] if suffix == "json" else [json.dumps(row) for row in rows]
    path = write(sounds / f"list.{suffix}", *lines)
    data = prepared("manifest", sounds, manifest=str(path), shots=None)
    assert [q.clip.id for q in data.query] == ["clips/cat0.wav", "clips/dog0.wav"]
    assert len(data.support) == 6


def test_order_of_rows_changes_nothing(sounds):
    rows = [f"{row},g{i % 3}" for i, row in enumerate(csv_rows())]
    random.Random(3).shuffle(rows)
    first = prepared("manifest", "", manifest=str(write(sounds / "a.csv", "path,label,group", *rows)))
    second = prepared("manifest", "", manifest=str(write(sounds / "b.csv", "path,label,group", *rows[::-1])))
    assert first.task() == second.task()


def test_byte_order_mark_crlf_and_quoted_newlines(sounds):
    text = '\ufeffpath,label\r\n"clips/cat0.wav","a\nb, c"\r\nclips/dog0.wav,dog\r\n\r\n'
    (sounds / "list.csv").write_bytes(text.encode())
    clips = module("manifest", "", manifest=str(sounds / "list.csv")).benchmark.read().clips
    assert [c.labels for c in clips] == [("a\nb, c",), ("dog",)]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([{"path": "clips/cat0.wav", "labels": ["a", "b"]}], ("a", "b")),
        ([{"path": "clips/cat0.wav", "labels": "b|a"}], ("a", "b")),
        ([{"path": "clips/cat0.wav", "labels": '["a|b", "c"]'}], ("a|b", "c")),
        (
            [{"path": "clips/cat0.wav", "label": "a"}, {"path": "clips/../clips/cat0.wav", "label": "b"}],
            ("a", "b"),
        ),
        ([{"path": "clips/cat0.wav", "label": 7}], ("7",)),
        ([{"path": "clips/cat0.wav", "label": "[noise]"}], ("[noise]",)),
    ],
)
def test_labels_of_every_form(sounds, rows, expected):
    (sounds / "list.json").write_text(json.dumps([*rows, {"path": "clips/dog0.wav", "label": "z"}]))
    data = module("manifest", "", manifest=str(sounds / "list.json"))
    (clip,) = [c for c in data.benchmark.read().clips if c.id == "clips/cat0.wav"]
    assert clip.labels == expected
    assert data.benchmark.multi_label == (len(expected) > 1)


def test_labels_of_one_clip_are_asked_about_in_turn(sounds):
    rows = [
        f"clips/{n},{'x|' if i % 2 else ''}{n[:3]},{'test' if i > 5 else 'train'}"
        for i, n in enumerate(NAMES)
    ]
    data = prepared(
        "manifest", "", manifest=str(write(sounds / "l.csv", "path,labels,split", *rows)), n_options=2
    )
    assert sorted(zip((q.clip.id for q in data.query), labels(data, data.query), strict=True)) == [
        ("clips/dog2.wav", "dog"),
        ("clips/dog3.wav", "dog"),
        ("clips/dog3.wav", "x"),
    ]


def test_repeated_rows_count_once_and_are_told(sounds):
    path = write(sounds / "list.csv", "path,label", *csv_rows(), *csv_rows()[:2])
    data = prepared("manifest", "", manifest=str(path), shots=None)
    assert len(data.query) + len(data.support) == len(NAMES)
    assert data.notes == ["2 rows repeat a clip and its labels, and count once"]


def test_groups_are_the_leak_guard_s(sounds):
    rows = [f"clips/{n},{n[:3]},{'test' if '0' in n else 'train'},take {n[-5]}" for n in NAMES]
    rows[1] = rows[1].replace("take 1", "take 0")
    path = write(sounds / "list.csv", "path,label,split,group", *rows)
    with pytest.raises(DataError, match=r"clips/cat1.wav \(support\) and clips/cat0.wav \(query\): take 0"):
        prepared("manifest", "", manifest=str(path), shots=None)


def test_folds_divide_and_their_numbers_are_in_order(sounds):
    for i in range(11):
        for label in ("cat", "dog"):
            touch(sounds / f"{label}{i}.wav")
    rows = [f"{label}{i}.wav,{label},{i}" for i in range(11) for label in ("cat", "dog")]
    path = write(sounds / "list.csv", "path,label,fold", *rows)
    data = prepared("manifest", "", manifest=str(path))
    assert [q.clip.id for q in data.query] == ["cat0.wav", "dog0.wav"]
    every = prepared("manifest", "", manifest=str(path), fold="all")
    assert [one.fold for one in every.rounds] == [str(i) for i in range(11)]


def test_heldout_rows_judge_heads(sounds):
    parts = dict(zip("0123", ("train", "train", "validation", "test"), strict=True))
    rows = [f"clips/{n},{n[:3]},{parts[n[3]]}" for n in NAMES]
    path = write(sounds / "list.csv", "path,label,split", *rows)
    data = prepared("manifest", "", manifest=str(path), heldout_shots=1)
    (one,) = data.rounds
    assert {data.support[i].clip.split for i in one.heldout} == {"validation"}


def test_other_split_names_are_chosen(sounds):
    rows = [f"clips/{n},{n[:3]},{'dev' if '0' in n else 'fit'}" for n in NAMES]
    path = write(sounds / "list.csv", "path,label,split", *rows)
    with pytest.raises(
        DataError, match=r"data.pool_split is 'train', but the clips on disk have the splits dev, fit"
    ):
        prepared("manifest", "", manifest=str(path))
    data = prepared("manifest", "", manifest=str(path), pool_split="fit", query_split="dev")
    assert len(data.query) == 2


def test_two_lists_are_pool_and_query(sounds):
    pool = write(sounds / "a.csv", "path,label", *(row for row in csv_rows() if "0.wav" not in row))
    query = write(sounds / "b.csv", "path,label", *(row for row in csv_rows() if "0.wav" in row))
    data = prepared("manifest", "", manifest=str(pool), query_manifest=str(query), shots=None)
    assert [q.clip.id for q in data.query] == ["clips/cat0.wav", "clips/dog0.wav"]
    assert len(data.support) == 6


def test_a_clip_in_both_lists_is_a_leak(sounds):
    pool = write(sounds / "a.csv", "path,label", *csv_rows())
    query = write(sounds / "b.csv", "path,label", *csv_rows()[::3])
    with pytest.raises(DataError, match=r"clip clips/cat0.wav"):
        prepared("manifest", "", manifest=str(pool), query_manifest=str(query), shots=None)


def test_configured_columns(sounds):
    rows = [f"x,clips/{n},{n[:3]},{n[-5]}" for n in NAMES]
    path = write(sounds / "list.csv", "label,where,what,take", *rows)
    from calm_pl.data.own.settings import ColumnSettings

    columns = ColumnSettings(path="where", label="what", group="take")
    clips = module("manifest", "", manifest=str(path), columns=columns).benchmark.read().clips
    assert [(c.id, c.labels, c.groups) for c in clips[:2]] == [
        ("clips/cat0.wav", ("cat",), ("0",)),
        ("clips/cat1.wav", ("cat",), ("1",)),
    ]
    wrong = ColumnSettings(path="where", label="what", group="taker")
    with pytest.raises(
        DataError, match=r"data.columns.group is 'taker', but .*list.csv has the columns label, take"
    ):
        module("manifest", "", manifest=str(path), columns=wrong).benchmark.read()


def test_frames_make_it_a_video_set_unless_the_column_is_left_out(sounds):
    from calm_pl.data.own.settings import ColumnSettings

    for name in NAMES:
        touch(sounds / "clips" / name.replace("wav", "mp4"))
    rows = [f"{row},{row.split(',')[0].replace('wav', 'mp4')}" for row in csv_rows()]
    path = str(write(sounds / "list.csv", "path,label,video", *rows))
    data = prepared("manifest", "", manifest=path)
    assert data.benchmark.modality == "video"
    assert {q.clip.video.suffix for q in data.query} == {".mp4"}
    plain = prepared("manifest", "", manifest=path, columns=ColumnSettings(video=None))
    assert plain.benchmark.modality == "audio"
    alone = str(write(sounds / "v.csv", "video,label", *(row.replace(".wav", ".mp4") for row in csv_rows())))
    data = prepared("manifest", "", manifest=alone)
    assert data.benchmark.modality == "video"
    assert {(q.clip.path.suffix, q.clip.video) for q in data.query} == {(".mp4", None)}


def test_questions_that_come_along_are_asked(sounds):
    from calm_pl.data.own.settings import ColumnSettings

    rows = [f"clips/{n},{n[:3]},Which animal?,dog|cat" for n in NAMES]
    path = str(write(sounds / "list.csv", "path,label,question,options", *rows))
    data = prepared("manifest", "", manifest=path)
    assert {q.question for q in data.query} == {"Which animal? A. dog B. cat"}
    assert {tuple(data.classes[i] for i in q.options) for q in data.query} == {("dog", "cat")}
    ours = prepared(
        "manifest", "", manifest=path, columns=ColumnSettings(question=None), question="What is it?"
    )
    assert all(q.question.startswith("What is it? A. ") for q in ours.query)


def test_missing_files_of_your_own_stop_and_may_be_skipped(sounds):
    path = str(write(sounds / "list.csv", "path,label", *csv_rows(), "clips/gone.wav,cat"))
    with pytest.raises(DataError, match=r"1 of 9 clips are not on disk \(data.on_missing=skip"):
        prepared("manifest", "", manifest=path)
    data = prepared("manifest", "", manifest=path, on_missing="skip")
    assert data.notes == ["1 of 9 listed clips are not on disk (missing.csv)"]


@pytest.mark.parametrize(
    "text", ["../out.wav", "clips/../../out.wav", "/etc/passwd", "clips/../../sounds2/x.wav"]
)
def test_no_path_leads_out_of_the_root(sounds, text):
    path = write(sounds / "list.csv", "path,label", *csv_rows(), f"{text},cat")
    with pytest.raises(
        DataError, match=r"list.csv, line 10: path must stay below .* data.allow_outside=true"
    ):
        module("manifest", sounds, manifest=str(path)).benchmark.read()


def test_a_folder_whose_name_only_begins_like_the_root_s_is_outside(tmp_path):
    touch(tmp_path / "ab" / "x.wav")
    path = write(tmp_path / "a" / "list.csv", "path,label", f"{tmp_path}/ab/x.wav,cat")
    with pytest.raises(DataError, match="path must stay below"):
        module("manifest", "", manifest=str(path)).benchmark.read()


def test_outside_paths_may_be_allowed(sounds, tmp_path_factory):
    elsewhere = touch(tmp_path_factory.mktemp("other") / "cat9.wav")
    path = write(
        sounds / "list.csv", "path,label", *csv_rows(), f"{elsewhere},cat", f"{sounds}/clips/dog0.wav,pet"
    )
    clips = {
        c.id: c for c in module("manifest", "", manifest=str(path), allow_outside=True).benchmark.read().clips
    }
    assert clips[str(elsewhere)].path == elsewhere
    assert clips["clips/dog0.wav"].labels == ("dog", "pet")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "l.csv",
            "path,label\nclips/cat0.wav,\n",
            r"l.csv, line 2: has no label: any of mapped_label, .*there are path, label",
        ),
        ("l.csv", "path,label\n,cat\n", r"line 2: has no path"),
        (
            "l.csv",
            "file,kind\nclips/cat0.wav,cat\n",
            r"line 2: has no label: .* data.columns.label names another column",
        ),
        ("l.csv", "path,label\nclips/cat0.wav,cat,dog\n", r"line 2: must have 2 fields .* but has more"),
        (
            "l.csv",
            "path,label\nclips/cat0.wav,a||b\n",
            r"line 2: label must hold different texts, none empty",
        ),
        ("l.csv", "path,label\nclips/cat0.wav,a|a\n", r"line 2: label must hold different texts"),
        ("l.csv", "path,label\nclips/cat0.wav,[]\n", r"line 2: label must hold different texts"),
        ("l.csv", "path,label\n", r"l.csv: lists no clip"),
        (
            "l.csv",
            'path,label\n"clips/cat0.wav,cat\n',
            r"l.csv, line 2: cannot be read: .*; is a quote opened there",
        ),
        ("l.csv", "path,labels,question\nx.wav,a|b,Q?\n", r"line 2: a question is about one label"),
        ("l.json", "{}", r"l.json: must hold a list of objects, but holds an object"),
        ("l.json", '[{"path": "x"}, 3]', r"l.json, item 2: must be an object .* but is a number"),
        ("l.json", '[{"path": 1.5, "label": "a"}]', r"item 1: path must be a string, but is 1.5"),
        ("l.json", '[{"path": "x", "label": {"a": 1}}]', r"item 1: label must be a string"),
        ("l.json", '[{"path": "x\\u0000y", "label": "a"}]', r"item 1: path must not hold a zero byte"),
        ("l.json", '{"path": "x"}\n{"path": "y"}', r"l.json: is not valid JSON: .* belongs in a .jsonl file"),
        ("l.jsonl", '{"path": "x", "label": "a"}\n\n{"path": \n', r"l.jsonl, line 3: is not valid JSON"),
        ("l.jsonl", '["x"]\n', r"l.jsonl, line 1: must be an object .* but is a list"),
        ("l.xlsx", "x", r"l.xlsx: a manifest must end in .csv, .tsv, .txt, .json or .jsonl"),
    ],
)
def test_each_fault_is_named(sounds, name, text, message):
    (sounds / name).write_text(text)
    with pytest.raises(DataError, match=message):
        module("manifest", "", manifest=str(sounds / name)).benchmark.read()


def test_bytes_that_are_no_text_are_named(sounds):
    (sounds / "l.csv").write_bytes(b"path,label\n\xff\xfe,cat\n")
    with pytest.raises(DataError, match=r"l.csv, line 2: cannot be read: is not UTF-8 .byte 0xff.*iconv"):
        module("manifest", "", manifest=str(sounds / "l.csv")).benchmark.read()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "data.manifest must name the list of clips"),
        ({"manifest": "a.csv", "query_manifest": "a.csv"}, "data.query_manifest is data.manifest itself"),
    ],
)
def test_settings_that_cannot_be_meant(settings, message):
    with pytest.raises(DataError, match=message):
        module("manifest", "", **settings)


def test_a_list_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none.csv: cannot be read: .*No such file"):
        prepared("manifest", "", manifest=str(tmp_path / "none.csv"))


def test_options_must_be_classes(sounds):
    rows = [f"clips/{n},{n[:3]},Which animal?,{n[:3]}|owl" for n in NAMES]
    path = str(write(sounds / "list.csv", "path,label,question,options", *rows))
    with pytest.raises(DataError, match="its option 'owl' is none of the classes"):
        prepared("manifest", "", manifest=path)
