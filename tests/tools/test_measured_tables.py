"""The tables of the pages of measurements are those of the records."""

import importlib.util
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = {
    "calm-auto-measurements.md": "tables",
    "control-rows.md": "control_tables",
    "head-control.md": "head_tables",
}


@pytest.fixture(scope="module")
def tables():
    spec = importlib.util.spec_from_file_location("tables", ROOT / "benchmarks" / "tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES)
def test_every_line_of_the_tables_is_in_the_docs_and_no_other(tables, page):
    made = [line for table in getattr(tables, PAGES[page])() for line in table]
    written = [line for line in (ROOT / "docs" / page).read_text().splitlines() if line[:1] == "|"]
    assert written == made
    assert len(made) > 10


def test_all_records_are_of_one_models_weights(tables):
    weights = {
        entry["weights"]
        for name in ("methods", "calibration", "selection", "comparisons", "needle")
        for key, entry in tables.results(name).items()
        if key.startswith("bundled")
    }
    folded = json.loads((tables.RESULTS / "left_out.json").read_text())["weights"]
    assert weights == {folded}
