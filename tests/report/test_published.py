"""Published numbers beside one's own."""

import json
import re

import pytest
from conftest import REPO
from made_runs import make_run

from calm_pl.report.overview import overview
from calm_pl.report.published import published
from calm_pl.runs import find_runs


@pytest.mark.parametrize(
    ("benchmark", "metric", "model", "method", "value"),
    [
        ("esc50", "accuracy", "Qwen/Qwen2-Audio-7B-Instruct", "zero_shot", 0.7375),
        ("vggsound", "accuracy", "/models/Qwen2.5-Omni-7B", "calm_global", 0.8684),
        ("asvspoof2019_la", "macro_f1", "Qwen/Qwen2.5-Omni-7B", "calm+pl", 0.7013),
        ("vggvideo", "accuracy", "Qwen/Qwen2.5-Omni-7B", "sav+pl", None),
        ("vggvideo", "accuracy", "Qwen/Qwen2-Audio-7B", "sav", None),
        ("esc50", "macro_f1", "Qwen/Qwen2-Audio-7B", "sav", None),
        ("esc50", "accuracy", "bundled:tiny_lalm", "sav", None),
        ("esc50", "accuracy", "Qwen/Qwen2-Audio-7B", "calm_auto", None),
    ],
)
def test_numbers(benchmark, metric, model, method, value):
    assert published(benchmark, metric, model, method) == (None if value is None else pytest.approx(value))


def made(tmp_path, **changes):
    folder = make_run(tmp_path / "a", [f"c{n}" for n in range(5)])
    path = folder / "results.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return find_runs([folder])


def test_a_column_beside_ones_own(tmp_path):
    runs = made(tmp_path, benchmark="esc50", model="Qwen/Qwen2-Audio-7B-Instruct")
    table = overview(runs, beside=True)
    assert [column.metric for column in table.columns] == ["accuracy", "published"]
    assert [row.cells[1].value for row in table.rows] == pytest.approx([0.7375, 0.99, 0.99])
    assert any(note.startswith("Published: V. Mehta et al., arXiv 2602.07077") for note in table.notes)
    assert len(overview(runs).columns) == 1
    assert [column.metric for column in overview(runs, detailed=True, beside=True).columns][:2] == [
        *("accuracy", "published"),
    ]


def test_nothing_published_is_said(tmp_path):
    table = overview(made(tmp_path), beside=True)
    assert len(table.columns) == 1
    assert "made, accuracy: no published numbers are known for these models." in table.notes


def test_the_pages_and_the_file_name_one_paper():
    source = json.loads((REPO / "calm_pl/report/published.json").read_text())["source"]
    assert re.search(r"arXiv \d{4}\.\d{5}", source)[0] in (REPO / "README.md").read_text()
