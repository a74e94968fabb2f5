"""The table of `docs/method.md` on exactness holds what its record says."""

import json
import re
from pathlib import Path

REPO = Path(__file__).parents[2]


def test_counts_are_those_of_the_record():
    record = json.loads((REPO / "benchmarks" / "results" / "float32_scores.json").read_text())
    section = (REPO / "docs" / "method.md").read_text().split("## Exactness")[1].split("##")[0]
    rows = re.findall(r"^\| .* \| (.*) \| (.*) \|$", section, re.MULTILINE)[1:]
    for counted in record["depends_on"].values():
        single, double = (counted[name] for name in ("float32 in blocks of 16", "float64, rounded"))
        expected = [(single[name].split()[0], double[name].split()[0]) for name in single]
        found = [tuple(re.search(r"\d+", cell)[0] for cell in row) for row in rows]
        assert found == expected
    rates = record["rates"]["309 classes"]
    for dtype in ("float32", "float64"):
        assert str(round(rates[f"{dtype}, 256 clips"])) in section
