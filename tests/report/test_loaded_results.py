"""Finished runs as rows and as a data frame."""

import sys

import pytest
from made_runs import make_run

import calm_pl
from calm_pl.errors import RunError


@pytest.fixture
def results(tmp_path):
    make_run(tmp_path / "runs" / "a", methods=("sav", "calm"))
    make_run(tmp_path / "runs" / "b", methods=("calm",), seed=2, config="")
    return calm_pl.load_results(tmp_path / "runs")


def test_a_row_for_each_run_and_method(results):
    assert [(row["run"], row["title"], row["shots"]) for row in results.rows] == [
        ("a", "SAVs", 5),
        ("a", "CALM", 5),
        ("b", "CALM", None),
    ]
    entry = results.runs[0].methods["calm"]
    row = results.rows[1]
    assert (row["accuracy"], row["accuracy_sd"]) == (entry["accuracy"], None)
    assert [row["accuracy_low"], row["accuracy_high"]] == entry["ci95"]["accuracy"]
    assert len(results) == 3


def test_it_is_shown_as_its_table(results):
    shown = repr(results)
    assert f"{100 * results.rows[0]['accuracy']:.1f}" in shown
    assert "5 shots" in shown
    assert results._repr_markdown_().startswith("| method | made, accuracy, ")


def test_one_folder_or_several(results, tmp_path):
    one, two = tmp_path / "runs" / "a", str(tmp_path / "runs" / "b")
    assert calm_pl.load_results(one).rows == results.rows[:2]
    assert calm_pl.load_results([one, two]).rows == results.rows
    with pytest.raises(RunError, match="nowhere: contains no finished run"):
        calm_pl.load_results([one, "nowhere"])


def test_a_data_frame(results):
    pytest.importorskip("pandas", reason="pandas is not installed")
    frame = results.to_pandas()
    assert frame.shape == (3, len(results.rows[0]))
    assert frame["accuracy"].tolist() == [row["accuracy"] for row in results.rows]


def test_without_pandas_the_way_out_is_told(results, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(RunError, match="pip install pandas"):
        results.to_pandas()
