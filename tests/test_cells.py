"""No cell is a formula, every cell can be read again, and no label steers a terminal."""

import csv
import io
import json

import numpy as np
import pytest

from calm_pl.cells import control_character, guarded, joined, unguarded
from calm_pl.runs.predictions import header_of, read_predictions, write_rows

FORMULAS = ["=1+2", "+cmd|' /C calc'!A0", "-rec.wav", "@SUM(A1)", "\t=1", "\r=1", "-", "'=1", "''@x", "-1-1"]
PLAIN = ["", "dog", "-1", "+2.5", "-1e-5", "-inf", "'quoted'", "a=b", " =1", "猫", "[1]"]


@pytest.mark.parametrize("cell", FORMULAS)
def test_formulas_are_text_and_come_back(cell):
    assert guarded(cell) == "'" + cell
    assert unguarded(guarded(cell)) == cell
    assert unguarded(guarded(guarded(cell))) == guarded(cell)


@pytest.mark.parametrize("cell", PLAIN)
def test_numbers_and_other_text_stay(cell):
    assert guarded(cell) == unguarded(cell) == cell


def test_predictions_are_guarded_and_read_again(tmp_path):
    labels = ["=1+2", "-1", "dog", "'@x"]
    rows = [[f"-{n}.wav", "", "0", labels[n], joined(labels), str(n), labels[n - 1], "0.5"] for n in range(4)]
    write_rows(tmp_path / "p.csv", [header_of(["=m"]), *rows])
    with (tmp_path / "p.csv").open(newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell[:1] in "=+-@\t\r" and cell not in ("", "-1")]
    table = read_predictions(tmp_path / "p.csv", labels)
    assert table.methods == ("=m",)
    assert table.classes == tuple(labels)
    assert [one.clip for one in table.questions] == [f"-{n}.wav" for n in range(4)]
    np.testing.assert_array_equal(table.predicted_QDM[:, 0, 0], [3, 0, 1, 2])


def test_labels_in_one_cell():
    assert joined(["a", "b, c"]) == "a|b, c"
    assert json.loads(joined(["a|b", "c"])) == ["a|b", "c"]
    assert json.loads(joined(['["a"]'])) == ['["a"]']


def test_pseudo_labels_come_back_through_a_manifest(tmp_path):
    from calm_pl.data.own.columns import label_texts
    from calm_pl.data.own.manifest import read_rows

    text = io.StringIO()
    csv.writer(text).writerows(
        [["path", "label"], *([guarded("-a.wav"), joined([name])] for name in ("a|b", "x"))]
    )
    (tmp_path / "m.csv").write_text(text.getvalue())
    rows = read_rows(tmp_path / "m.csv")
    assert [row.values["path"] for row in rows] == ["-a.wav"] * 2
    assert [label_texts(row.values["label"], "", "label", None) for row in rows] == [("a|b",), ("x",)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a\nb", "U+000A"),
        ("\x1b[31mred", "U+001B"),
        ("a\x00", "U+0000"),
        ("\x85", "U+0085"),
        ("\ud800", "U+D800"),
        ("dog bark 猫 é \u200d", None),
    ],
)
def test_control_characters(text, found):
    assert control_character(text) == found
