"""Many runs in one table: which columns and rows there are, and what is marked."""

import csv
import io
import json
import re
import shutil
import subprocess

import pytest
from made_runs import make_run

from calm_pl.errors import RunError
from calm_pl.metrics import paired_difference
from calm_pl.report.latex import escaped, latex_text
from calm_pl.report.markdown import markdown_text, run_markdown
from calm_pl.report.overview import Mark, overview
from calm_pl.report.overview_csv import csv_text
from calm_pl.report.overview_terminal import print_overview
from calm_pl.runs import find_runs

NAMES = [f"c{n}" for n in range(5)]
NASTY = r"50%_of & more #1 $x$ {y} ~z ^2 \relax [a] *b <c> |d"


@pytest.fixture
def made(tmp_path):
    """Make a run with other entries of `results.json`; returns its folder."""

    def make(name, methods=None, accuracies=None, **changes):
        plain = {
            one: changes.pop(one)
            for one in [*changes]
            if one in ("config", "right", "seed", "prefix", "draws")
        }
        folder = make_run(
            tmp_path / name, NAMES, clips=12, **plain, **({} if methods is None else {"methods": methods})
        )
        path = folder / "results.json"
        results = json.loads(path.read_text()) | changes
        for method, value in (accuracies or {}).items():
            results["methods"][method]["accuracy"] = value
        path.write_text(json.dumps(results))
        return folder

    return make


def marks(table, column=0):
    return {(row.model, row.method): row.cells[column] and row.cells[column].mark for row in table.rows}


def difference(better, worse, holds):
    return {"better": better, "worse": worse, "difference": 0.1, "ci95": [0, 1], "significant": holds}


def test_a_run_marks_by_its_own_paired_differences(made):
    found = [difference("calm", "sav", False), difference("calm", "zero_shot", True)]
    folder = made("a", accuracies={"calm": 0.9, "sav": 0.85, "zero_shot": 0.5}, differences=found)
    table = overview(find_runs([folder]))
    assert marks(table) == {
        ("nothing", "zero-shot"): Mark.NONE,
        ("nothing", "SAVs"): Mark.NEAR,
        ("nothing", "CALM"): Mark.BEST,
    }
    assert [column.lines for column in table.columns] == [("made", "accuracy")]
    assert "made, accuracy: 5 classes, 5 shots, 60 query questions (a)." in table.notes


def test_an_oracle_is_never_the_best(made):
    methods = ("sav", "calm", "calm_oracle")
    found = [difference("calm", "sav", False)]
    folder = made("a", methods, {"calm_oracle": 0.99, "calm": 0.9, "sav": 0.8}, differences=found)
    table = overview(find_runs([folder]))
    assert marks(table)[("nothing", "CALM, oracle")] is Mark.NONE
    assert marks(table)[("nothing", "CALM")] is Mark.BEST
    assert any("upper bound" in note for note in table.notes)


def test_models_share_a_column_and_are_paired_on_shared_questions(made):
    runs = find_runs(
        [
            made("a", ("calm",), {"calm": 0.9}, model="x/one", right=0.9, seed=1),
            made("b", ("calm",), {"calm": 0.8}, model="x/two", right=0.85, seed=2),
            made("c", ("calm",), {"calm": 0.3}, model="x/three", right=0.3, seed=3),
        ]
    )
    table = overview(runs)
    assert len(table.columns) == 1
    expected = {("one", "CALM"): Mark.BEST}
    for run, name in zip(runs[1:], ("two", "three"), strict=True):
        old, new = (one.predictions.right_QDM[..., 0].T for one in (runs[0], run))
        high = paired_difference(new, old, [*runs[0].predictions.cluster_Q]).interval.high
        expected[name, "CALM"] = Mark.NEAR if high >= 0 else Mark.NONE
    assert set(expected.values()) == set(Mark)
    assert marks(table) == expected


def test_what_cannot_be_paired_is_not_marked_and_said(made):
    first = made("a", ("calm",), {"calm": 0.9}, model="x/one")
    second = made("b", ("calm",), {"calm": 0.89}, model="x/two", prefix="other")
    table = overview(find_runs([first, second]))
    assert marks(table)[("two", "CALM")] is Mark.NONE
    assert any(re.search(r"b shares no query clip with .*a: not compared", note) for note in table.notes)
    (second / "predictions.csv").unlink()
    table = overview(find_runs([first, second]))
    assert any("b is not compared with" in note and "cannot be read" in note for note in table.notes)


def test_other_settings_have_columns_of_their_own(made):
    config = "data:\n  shots: {}\n  n_options: {}\n  fold: 2\n"
    runs = [
        made("a", config=config.format(5, 4)),
        made("b", config=config.format("null", 0)),
        made("c", config=config.format(5, 4)),
        made("d", benchmark="other"),
        made("e", limited=40, config=config.format(5, 4)),
    ]
    table = overview(find_runs(runs))
    assert [column.details for column in table.columns] == [
        "5 shots, 4 options, a",
        "all support clips, no options",
        "5 shots, 4 options, c",
        "5 shots, 4 options, limited: not a result",
        "",
    ]
    assert set(marks(table, 3).values()) == {Mark.NONE}
    assert "made, accuracy: 5 classes, 5 shots, 4 options, fold 2, 60 query questions (a)." in table.notes


def test_the_metric_is_that_which_decides_the_task(made):
    folder = made("a")
    path = folder / "results.json"
    results = json.loads(path.read_text())
    for number, entry in enumerate(results["methods"].values()):
        entry |= {
            "eer": 0.1,
            "macro_f1": 0.5 + number / 10,
            "sd": {"macro_f1": {"draws": 0.012, "folds": None}},
        }
        entry["rounds"] = [{"fold": None, "draw": draw, "accuracy": entry["accuracy"]} for draw in (0, 1)]
    path.write_text(json.dumps(results))
    table = overview(find_runs([folder]))
    assert table.columns[0].metric == "Macro-F1"
    assert set(marks(table).values()) == {Mark.NONE, Mark.BEST}
    assert any("paired differences are of the accuracy, not of Macro-F1" in note for note in table.notes)
    assert "In %, ± standard deviation over draws." in table.notes
    assert "| CALM | **70.0 ± 1.2** |" in markdown_text(table)
    detailed = overview(find_runs([folder]), detailed=True)
    assert [column.metric for column in detailed.columns] == ["accuracy", "Macro-F1", "EER"]
    assert "70.0 ± 1.2 \\[30.0–70.0\\]" in markdown_text(detailed)


def test_runs_below_a_folder_each_once(made, tmp_path):
    first, second = made("runs/a"), made("runs/b")
    (tmp_path / "runs" / "unfinished").mkdir()
    assert [run.path for run in find_runs([tmp_path / "runs", first])] == [first, second]
    with pytest.raises(RunError, match="unfinished: contains no finished run"):
        find_runs([tmp_path / "runs" / "unfinished"])


def test_names_cannot_become_latex():
    assert escaped(NASTY) == (
        r"50\%\_of \& more \#1 \$x\$ \{y\} \textasciitilde{}z \textasciicircum{}2 \textbackslash{}relax"
        r" {[}a{]} {*}b \textless{}c\textgreater{} \textbar{}d"
    )


@pytest.fixture
def hostile(made):
    """A table of two models whose names are hostile to every format."""
    runs = [
        made(name, benchmark=NASTY, model=f"{NASTY}\n\x1b[31m{name}", seed=n) for n, name in enumerate("ab")
    ]
    return overview(find_runs(runs))


@pytest.mark.skipif(
    shutil.which("pdflatex") is None and shutil.which("tectonic") is None,
    reason="neither pdflatex nor tectonic is installed",
)
def test_the_latex_compiles(hostile, tmp_path):
    page = tmp_path / "page.tex"
    page.write_text(
        "\\documentclass{article}\n\\usepackage{booktabs}\n\\begin{document}\n"
        f"{latex_text(hostile)}\n\\end{{document}}\n"
    )
    # A draft needs no outlines of fonts, which small installations lack.
    quick = ["pdflatex", "-draftmode", "-interaction=nonstopmode", "-halt-on-error"]
    program = quick if shutil.which("pdflatex") else ["tectonic"]
    done = subprocess.run([*program, page.name], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]


def test_a_latex_table_has_as_many_cells_in_each_row(hostile):
    text = latex_text(hostile)
    body = text[text.index("\\toprule") : text.index("\\bottomrule")]
    rows = [line for line in body.splitlines() if line.endswith("\\\\") and "multicolumn" not in line]
    assert len(rows) == 2 + 6
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {1}


def test_names_cannot_become_markdown_or_cells(hostile):
    first, _, *lines = markdown_text(hostile).splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 6
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in (first, *rows)} == {4}
    assert r"50%\_of \& more \#1" in first
    assert "\x1b" not in markdown_text(hostile)
    cells = list(csv.reader(io.StringIO(csv_text(hostile))))
    assert {len(row) for row in cells} == {5}


def test_the_results_of_one_run_as_a_page(made):
    (run,) = find_runs([made("a", model="<b>x</b>", accuracies={"calm": 0.875})])
    text = run_markdown(run)
    assert text.startswith(
        "# made · \\<b\\>x\\</b\\>\n\nmade, 5 classes, 5 shots\n\n| method | made, accuracy |"
    )
    assert "| CALM | **87.5 \\[40.0–80.0\\]** | 50.0 \\[30.0–70.0\\] |" in text
    assert text.endswith("- In %, made \\<b\\>up\\</b\\>.\n")


@pytest.mark.parametrize("width", [80, 40])
def test_a_terminal_shows_whole_numbers_at_any_width(made, capsys, monkeypatch, width):
    runs = [made(f"r{n}", benchmark=f"benchmark-{n}", seed=n, model=f"x/{'ab'[n % 2]}") for n in range(9)]
    monkeypatch.setenv("COLUMNS", str(width))
    table = overview(find_runs(runs))
    print_overview(table)
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= width
    for column, one in enumerate(table.columns):
        assert len(re.findall(rf"{one.benchmark}\b", shown.split("In %")[0])) == 1
        for row in table.rows:
            if row.cells[column] is not None:
                assert f"{100 * row.cells[column].value:.1f}" in shown


def test_a_round_of_no_draw_is_shown(made):
    (run,) = find_runs([made("a", accuracies={"calm": 0.875})])
    run.results["methods"]["calm"]["rounds"] = [{"accuracy": 0.8, "fold": "1"}, {"accuracy": 0.9}]
    assert "87.5" in markdown_text(overview([run], detailed=True))
