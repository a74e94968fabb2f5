"""A malformed `esc50.csv` gets one message with the line, the rule and the value."""

import re

import pytest

from calm_pl.data.benchmarks.esc50 import CLASSES
from calm_pl.errors import DataError

pytest_plugins = ["tiny_data_sets"]


@pytest.mark.parametrize(
    ("row", "match"),
    [
        ("x.wav,1,0,doge,True,9,A", r"unknown label 'doge'; did you mean 'dog'\?"),
        ("x.wav,1,0,zzzzzz,True,9,A", r"unknown label 'zzzzzz'\.$"),
        ("x.wav,1,36,washing machine,True,9,A", r"unknown label 'washing machine'; .*'washing_machine'\?"),
        ("x.wav,1,0,Dog,True,9,A", r"unknown label 'Dog'; did you mean 'dog'\?"),
        ("x.wav,1,0,,True,9,A", r"unknown label ''"),
        ("x.wav,1,1,dog,True,9,A", r"target of 'dog' must be 0, but is '1'"),
        ("x.wav,1,,dog,True,9,A", r"target of 'dog' must be 0, but is ''"),
        ("x.wav,0,0,dog,True,9,A", r"fold must be 1 to 5, but is '0'"),
        ("x.wav,6,0,dog,True,9,A", r"fold must be 1 to 5, but is '6'"),
        ("x.wav,one,0,dog,True,9,A", r"fold must be 1 to 5, but is 'one'"),
        ("../x.ogg,1,0,dog,True,9,A", r"filename must be a plain file name, but is '\.\./x\.ogg'"),
        ("/etc/x.ogg,1,0,dog,True,9,A", r"plain file name, but is '/etc/x\.ogg'"),
        ("sub/x.ogg,1,0,dog,True,9,A", r"plain file name, but is 'sub/x\.ogg'"),
        ("..,1,0,dog,True,9,A", r"plain file name, but is '\.\.'"),
        (",1,0,dog,True,9,A", r"plain file name, but is ''"),
    ],
)
def test_a_bad_row_is_named_by_line(make, esc50_root, two_classes, row, match):
    root = esc50_root([*two_classes, row])
    with pytest.raises(DataError, match=match) as caught:
        make("esc50", root).prepare()
    line = len(two_classes) + 2  # the header is line 1
    assert str(caught.value).startswith(f"{root}/meta/esc50.csv, line {line}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("row", ["x.wav", "x.wav,1", "x.wav,1,0", "x.wav,1,0,dog", "x.wav,1,0,dog,True"])
def test_a_row_that_ends_early_is_named_by_line(make, esc50_root, two_classes, row):
    root = esc50_root([*two_classes, row])
    with pytest.raises(DataError, match=r"esc50\.csv, line 8: "):
        make("esc50", root).prepare()


def test_a_file_listed_twice_would_count_twice(make, esc50_root, two_classes):
    root = esc50_root([*two_classes, two_classes[0]])
    with pytest.raises(DataError, match=r"1-dog\.wav"):
        make("esc50", root).prepare()


@pytest.mark.parametrize("column", ["filename", "fold", "target", "category", "src_file"])
def test_a_missing_column_is_named(make, esc50_root, two_classes, column):
    header = "filename,fold,target,category,esc10,src_file,take".replace(column, "other")
    root = esc50_root(two_classes, header=header)
    with pytest.raises(DataError, match=rf"esc50\.csv: lacks the columns {column}\.$"):
        make("esc50", root).prepare()


def test_an_empty_file(make, esc50_root):
    with pytest.raises(DataError, match=r"lacks the columns filename, fold, target, category, src_file"):
        make("esc50", esc50_root([], header="")).prepare()


def test_a_header_and_no_row(make, esc50_root):
    with pytest.raises(DataError, match=r"has 0 classes; a benchmark needs 2 or more"):
        make("esc50", esc50_root([])).prepare()


def test_a_mark_at_the_files_start_as_spreadsheets_write_it(make, esc50_root, two_classes):
    root = esc50_root(two_classes, header="\ufefffilename,fold,target,category,esc10,src_file,take")
    module = make("esc50", root)
    module.prepare()
    assert len(module.query) == 2


def test_another_encoding_is_told(make, esc50_root, two_classes):
    root = esc50_root(two_classes)
    meta = root / "meta" / "esc50.csv"
    meta.write_bytes(meta.read_bytes() + "1-é.wav,1,0,dog,True,9,A\n".encode("latin-1"))
    with pytest.raises(DataError, match=re.escape(str(meta))):
        make("esc50", root).prepare()


def test_blank_lines_and_windows_line_ends_do_no_harm(make, esc50_root, two_classes):
    root = esc50_root(two_classes)
    meta = root / "meta" / "esc50.csv"
    meta.write_bytes(meta.read_bytes().replace(b"\n", b"\r\n") + b"\r\n")
    module = make("esc50", root)
    module.prepare()
    assert len(module.query) == 2


def test_every_official_class_is_accepted(make, esc50_root):
    rows = [f"{f}-{t}.wav,{f},{t},{label},False,{f}{t},A" for f in (1, 2) for t, label in enumerate(CLASSES)]
    module = make("esc50", esc50_root(rows))
    module.prepare()
    assert module.classes == CLASSES
