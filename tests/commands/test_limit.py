"""`--limit`: a quick try, marked wherever its numbers stand."""

import json
from pathlib import Path

from calm_pl.report.comparison import compare, remarks
from calm_pl.report.run_page import SILENT, run_page
from calm_pl.runs.folder import read_run


def test_a_limited_run_is_small_and_marked(call, small_job):
    whole = call("fit-free", *small_job, "run.dir=whole", "bank.dir=bank", "methods=[calm]")
    tried = call("fit-free", *small_job, "--limit", "7", "run.dir=tried", "bank.dir=bank", "methods=[calm]")
    assert (whole.returncode, tried.returncode) == (0, 0), tried.stderr
    assert "limited: not a result" in tried.stdout
    assert "limited" not in whole.stdout
    results = [json.loads(Path(f"{name}/results.json").read_text()) for name in ("whole", "tried")]
    assert [one["limited"] for one in results] == [None, 7]
    assert [(one["n_support"], one["n_query"]) for one in results] == [(12, 9), (6, 6)]
    note = "limited to 7 support and 7 query clips (data.limit): not a result"
    assert note in results[1]["notes"]
    assert f"Data: {note}." in results[1]["remarks"]
    runs = [read_run(name) for name in ("whole", "tried")]
    pages = [run_page(one, SILENT, {}, "").partition("</h1>")[0] for one in runs]
    assert ["limited: not a result" in page for page in pages] == [False, True]
    assert "tried is limited: not a result (7 clips per side)." in remarks(compare(runs))


def test_a_limited_sweep_is_marked(call, small_job):
    sweep = ("sweep.grid={voter.tau_p: [0.03], data.shots: [1, 2, 4]}", "methods=[calm]", "run.dir=swept")
    ended = call("sweep", *small_job, *sweep, "--limit", "6")
    assert ended.returncode == 0, ended.stderr
    assert "limited: not a result" in ended.stdout
    assert json.loads(Path("swept/sweep.json").read_text())["limited"] == 6


def test_a_limit_that_cannot_be_is_refused(call, small_job):
    ended = call("fit-free", *small_job, "--limit", "3")
    assert ended.returncode == 1
    assert "data.limit: must be 4 or more, but is 3" in ended.stderr
