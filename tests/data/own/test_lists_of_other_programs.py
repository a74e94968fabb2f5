"""Lists as spreadsheets, pandas and other toolkits write them give the clips that they mean."""

import json

import pytest
from tiny_layouts import module, touch

from calm_pl.errors import DataError

ROWS = [(f"a/{label}{take}.wav", label) for label in ("cat", "dog") for take in range(2)]
SEMICOLONS = "\n".join(["path;label", *(";".join(row) for row in ROWS)]) + "\n"
COMMAS = SEMICOLONS.replace(";", ",")
TABS = SEMICOLONS.replace(";", "\t")


@pytest.fixture
def read(tmp_path):
    """Return a function: the clips of a list with this content, as (id, labels)."""
    for path, _ in ROWS:
        touch(tmp_path / path)

    def clips(content, name="list.csv", encoding="utf-8", **settings):
        (tmp_path / name).write_bytes(content.encode(encoding))
        benchmark = module("manifest", "", manifest=str(tmp_path / name), **settings).benchmark
        return benchmark.read().clips

    return clips


def as_rows(clips):
    return [(clip.id, clip.labels[0]) for clip in clips]


@pytest.mark.parametrize(
    ("content", "name", "encoding"),
    [
        (SEMICOLONS, "list.csv", "utf-8-sig"),
        (TABS, "list.csv", "utf-8"),
        (TABS, "list.txt", "utf-8"),
        (COMMAS, "list.tsv", "utf-8"),
        (f"sep=;\r\n{SEMICOLONS}", "list.csv", "utf-8"),
        (COMMAS, "list.csv", "utf-16"),
        (TABS, "list.csv", "utf-16-le-with-mark"),
        (TABS, "list.csv", "utf-16-be-with-mark"),
        (COMMAS + ",\r\n,\r\n\r\n", "list.csv", "utf-8"),
        (COMMAS.replace("\n", ",,\n"), "list.csv", "utf-8"),
        (COMMAS.replace("wav,", "wav, ").replace("path,", " path , "), "list.csv", "utf-8"),
        (COMMAS.replace("cat\n", "cat,\n"), "list.csv", "utf-8"),
        (COMMAS.replace("path,label", "Path,Label"), "list.csv", "utf-8"),
        (COMMAS.replace("path", "File Name"), "list.csv", "utf-8"),
        *((COMMAS.replace("path", name), "list.csv", "utf-8") for name in ("file_name", "fname", "filepath")),
        ("\n" + COMMAS, "list.csv", "utf-8"),
        ("".join(f",{line}\n" for line in COMMAS.splitlines()), "list.csv", "utf-8"),
        (
            json.dumps({"data": [dict(zip(("path", "label"), r, strict=True)) for r in ROWS]}),
            "l.json",
            "utf-8",
        ),
    ],
)
def test_one_list_in_many_forms(read, content, name, encoding):
    if encoding.endswith("-with-mark"):
        content, encoding = "\ufeff" + content, encoding.removesuffix("-with-mark")
    assert as_rows(read(content, name, encoding)) == ROWS


def test_whole_numbers_written_as_floats(read):
    csv = "path,label,fold,group\n" + "".join(f"{p},{c},{n}.0,7.0\n" for n, (p, c) in enumerate(ROWS, 1))
    assert [(clip.fold, clip.groups) for clip in read(csv)] == [(str(n), ("7",)) for n in (1, 2, 3, 4)]
    items = [{"path": path, "label": float(len(path)), "group": float("nan")} for path, _ in ROWS]
    assert [(clip.labels, clip.groups) for clip in read(json.dumps(items), "l.json")] == [(("10",), ())] * 4


@pytest.mark.parametrize(
    ("content", "settings", "labels"),
    [
        ('path,labels\na/cat0.wav,"Bark,Dog"\n', {}, ("Bark", "Dog")),
        ('path,labels\na/cat0.wav,"Bark, Dog"\n', {"label_separator": ","}, ("Bark", "Dog")),
        ('path,labels\na/cat0.wav,"Bark, Dog"\n', {"label_separator": "|"}, ("Bark, Dog",)),
        ('path,label\na/cat0.wav,"Bark,Dog"\n', {}, ("Bark,Dog",)),
        ("path,label\na/cat0.wav,Bark;Dog\n", {"label_separator": ";"}, ("Bark", "Dog")),
        ('path,labels\na/cat0.wav,"a,b|c"\n', {}, ("a,b", "c")),
    ],
)
def test_commas_in_labels(read, content, settings, labels):
    (clip,) = read(content, **settings)
    assert clip.labels == labels


@pytest.mark.parametrize(
    ("content", "encoding", "message"),
    [
        (COMMAS + "a/mö.wav,cat\n", "cp1252", r"line 6: cannot be read: is not UTF-8 \(byte 0xf6\).*iconv"),
        (COMMAS + '"a/x.wav,cat\na/y.wav,dog\n', "utf-8", r"line 6: cannot be read: .* a quote opened there"),
        ("path,label,label\na,b,c\n", "utf-8", r"has more than one column 'label'"),
        (
            'path,labels\na/cat0.wav,"Bark, Dog"\n',
            "utf-8",
            r"line 2: labels is 'Bark, Dog': several labels, or",
        ),
        (COMMAS.replace("cat\n", "cat,,x\n"), "utf-8", r"line 2: must have 2 fields .* but has more"),
    ],
)
def test_what_may_mean_two_things_is_refused(read, content, encoding, message):
    with pytest.raises(DataError, match=message):
        read(content, encoding=encoding)


def test_columns_named_in_the_configuration_keep_their_names(read):
    from calm_pl.data.own.settings import ColumnSettings

    csv = "Path,label,Label\n" + "".join(f"{path},other,{label}\n" for path, label in ROWS)
    assert as_rows(read(csv, columns=ColumnSettings(label="Label"))) == ROWS
