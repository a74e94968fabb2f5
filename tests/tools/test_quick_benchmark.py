"""`make bench-quick` names what fell, and stores the ratios that it compares with."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
SCRIPT = """
import json, sys
sys.path.insert(0, "benchmarks")
import quick
quick.RECORD = quick.Path(sys.argv[1])
values = json.loads(sys.argv[2])
for part in ("model", "bank", "commands"):
    setattr(quick, part, lambda *folder: {})
quick.arithmetic = lambda: values
sys.argv = ["quick.py", *sys.argv[3:]]
sys.exit(quick.main())
"""


@pytest.fixture
def quick(tmp_path):
    def run(values, *flags):
        command = [sys.executable, "-c", SCRIPT, str(tmp_path / "quick.json"), json.dumps(values), *flags]
        return subprocess.run(command, cwd=REPO, capture_output=True, text=True)

    return run


def test_what_fell_by_more_than_a_fifth_is_named(quick):
    assert quick({"a": 1.0, "b": 2.0}, "--store").returncode == 0
    fine = quick({"a": 0.81, "b": 3.0, "new": 1.0})
    assert (fine.returncode, "Slower" in fine.stdout) == (0, False)
    slow = quick({"a": 0.79, "b": 2.0})
    assert slow.returncode == 1
    assert "Slower by more than a fifth: a." in slow.stdout


def test_every_ratio_is_stored():
    record = json.loads((REPO / "benchmarks" / "results" / "quick.json").read_text())
    assert len(record["ratios"]) == 14
    assert all(value > 0 for value in record["ratios"].values())
