"""Tables in terminals of any width."""

import io

import pytest
from rich.console import Console

from calm_pl.report.console import print_matrix, print_table


def printed(width, show, *args, **more):
    text = io.StringIO()
    show(*args, **more, console=Console(file=text, width=width))
    return [line.rstrip() for line in text.getvalue().splitlines() if line.strip(" ─")]


HEADS = ["method", "accuracy", "95 %", "Macro-F1", "95 %"]
ROWS = [
    ["SAVs", "78.3", "61.2–89.2", "77.8", "54.1–91.3"],
    ["CALM", "80.0", "60.0–90.0", "79.0", "50.0–95.0"],
]


def test_a_table_that_fits():
    lines = printed(80, print_table, "Title", HEADS, ROWS, [2, 2])
    assert [line.split() for line in lines] == [
        ["Title"],
        ["method", "accuracy", "95", "%", "Macro-F1", "95", "%"],
        *ROWS,
    ]


def test_a_table_in_parts_with_a_metric_beside_its_interval():
    lines = printed(40, print_table, "Title", HEADS, ROWS, [2, 2])
    assert [line.split()[0] for line in lines] == [
        "Title",
        "method",
        "SAVs",
        "CALM",
        "method",
        "SAVs",
        "CALM",
    ]
    assert lines[2].split() == ["SAVs", "78.3", "61.2–89.2"]
    assert lines[5].split() == ["SAVs", "77.8", "54.1–91.3"]
    assert max(map(len, lines)) <= 40


def test_columns_of_text_are_in_every_part():
    heads = ["shots", "τ", *(f"method {n}" for n in range(6))]
    rows = [["5", "0.03", *("50.0 ± 1.2" for _ in range(6))]]
    lines = printed(50, print_table, "", heads, rows, words=2)
    assert [line.split()[:2] for line in lines[1::2]] == [["5", "0.03"]] * (len(lines) // 2)
    assert sum(line.count("50.0") for line in lines) == 6


@pytest.mark.parametrize(("width", "numbered"), [(200, False), (80, True)])
def test_a_matrix_of_many_long_names(width, numbered):
    names = [f"a task with a long name {n}" for n in range(6)]
    rows = [[name, *(f"{n / 10:.3f}" for n in range(6))] for name in names]
    lines = printed(width, print_matrix, "Similarity", names, rows)
    assert ("1: a task with a long name 0" in lines) == numbered
    assert all(f"{n / 10:.3f}" in "".join(lines) for n in range(6))
    assert max(map(len, lines)) <= width
    if numbered:
        assert lines[1].split() == ["1", "2", "3", "4", "5", "6"]
        assert lines[2].split()[0] == "1"


def test_rows_that_are_no_columns_keep_their_names():
    lines = printed(20, print_matrix, "Counts", ["first task", "second task"], [["all", "5", "7"]], "layer")
    assert lines[1].split() == ["layer", "1", "2"]
    assert lines[2].split() == ["all", "5", "7"]
    assert lines[-1] == "2: second task"
