"""`sweep` as a user runs it: the real command line, real files, real ranks, real kills."""

import csv
import json
import shutil
import signal
import time

import pytest
from conftest import LEAN, command_line, make_esc50
from rank_processes import Job

METRICS = ("accuracy", "macro_f1", "exact_match")
GRID = (
    "sweep.grid.voter.top_k=[2,50%,all]",
    "sweep.grid.voter.tau_p=[0.01,1]",
    "sweep.grid.data.shots=[2,4]",
)
ROUNDS = "data.draws=2"
ALL = "methods=[zero_shot,sav,calm_global,calm,calm_auto,gda]"


def rows_of(folder):
    with (folder / "sweep.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def results_of(folder):
    return json.loads((folder / "results.json").read_text())


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Tones that are easily told apart, but a third of their labels is wrong: settings differ in accuracy."""
    root = make_esc50(tmp_path_factory.mktemp("data") / "esc")
    meta = root / "meta" / "esc50.csv"
    header, *lines = meta.read_text().splitlines()
    clips = [line.split(",") for line in lines]
    for one, other in zip(clips[::5], clips[3::5], strict=False):  # of the same fold, mostly
        one[2:4], other[2:4] = other[2:4], one[2:4]
    meta.write_text("\n".join([header, *map(",".join, clips)]) + "\n")
    return root


@pytest.fixture(scope="module")
def settings(root, tiny_folder, tmp_path_factory):
    """A job of a second; all jobs share one bank."""
    bank = tmp_path_factory.mktemp("bank")
    return [
        *("data.benchmark=esc50", f"data.root={root}", f"model.path={tiny_folder}", "data.n_options=3"),
        *("data.num_workers=0", "trainer.accelerator=cpu", "trainer.devices=1", f"bank.dir={bank}"),
    ]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, settings):
    """The folder of a finished sweep, and what it printed."""
    folder = tmp_path_factory.mktemp("sweep")
    return folder / "run", command_line(folder, "sweep", *settings, *GRID, ROUNDS, ALL, "run.dir=run")


@pytest.fixture
def fit_free(call, settings, tmp_path):
    """Results of `fit-free` with these settings, by method, fold and draw."""

    def run(*args):
        done = call("fit-free", *settings, *args, "run.dir=alone", "run.overwrite=true", *LEAN)
        assert done.returncode == 0, done.stderr
        methods = results_of(tmp_path / "alone")["methods"]
        return {
            (name, one["fold"] or "", str(one["draw"])): {metric: one[metric] for metric in (*METRICS, "n")}
            for name, scores in methods.items()
            for one in scores["rounds"]
        }

    return run


def point(rows, **wanted):
    """Rows with these cells, as `fit_free` gives them."""
    return {
        (row["method"], row["fold"], row["draw"]): {m: float(row[m]) for m in (*METRICS, "n")}
        for row in rows
        if all(row[name] == value for name, value in wanted.items())
    }


HEADS = {"2": "2", "50%": "16", "all": "32"}  # of the tiny model's 32


@pytest.mark.parametrize(
    ("heads", "tau_p", "shots"), [("2", "0.01", "2"), ("50%", "1.0", "4"), ("all", "1.0", "2")]
)
def test_each_point_is_what_fit_free_reports(finished, fit_free, heads, tau_p, shots):
    rows = rows_of(finished[0])
    top_k = "null" if heads == "all" else HEADS[heads]
    alone = fit_free(ALL, ROUNDS, f"voter.top_k={top_k}", f"voter.tau_p={tau_p}", f"data.shots={shots}")
    assert len(alone) == 6 * 2
    found = point(rows, chosen="grid", top_k=HEADS[heads], tau_p=tau_p, shots=shots)
    found |= point(rows, chosen="grid", tau_p="", shots=shots) | point(rows, method="zero_shot")
    assert found == alone


def test_the_references_are_what_fit_free_reports(finished, fit_free):
    rows, methods = rows_of(finished[0]), "methods=[calm_global,calm]"
    for chosen, more in (("default", ()), ("loo", ("voter.select=loo",))):
        alone = fit_free(methods, ROUNDS, "data.shots=4", *more)
        assert point(rows, chosen=chosen, shots="4") == alone


def test_a_row_for_each_method_setting_fold_and_draw(finished):
    rows = rows_of(finished[0])
    count = {"zero_shot": 1, "sav": 2, "calm_auto": 2, "gda": 2, "calm": 12, "calm_global": 12}
    for method, points in count.items():
        assert sum(row["method"] == method and row["chosen"] == "grid" for row in rows) == points * 2
    assert len({tuple(row.values()) for row in rows}) == len(rows)
    assert {row["heads"] for row in rows} == {"32"}
    assert {row["n_support"] for row in rows if row["shots"] == "2"} == {"6"}


def test_the_best_of_the_grid_is_marked_as_chosen_on_the_query(finished):
    folder, done = finished
    rows = rows_of(folder)
    for shots in ("2", "4"):
        by_setting = {}
        for row in rows:
            if (row["method"], row["chosen"], row["shots"]) == ("calm", "grid", shots):
                by_setting.setdefault((row["top_k"], row["tau_p"]), []).append(float(row["accuracy"]))
        best = max(sum(some) for some in by_setting.values())
        oracle = [
            float(row["accuracy"])
            for row in rows
            if (row["method"], row["chosen"], row["shots"]) == ("calm", "oracle", shots)
        ]
        assert len(oracle) == 2
        assert sum(oracle) == pytest.approx(best)
    for word in ("oracle", "configured", "loo", "All numbers are measured on the query", "±", "CALM-Auto"):
        assert word in done.stdout
    summary = json.loads((folder / "sweep.json").read_text())
    assert summary["complete"]
    assert [set(one) >= {"default", "loo", "oracle"} for one in summary["chosen"]] == [True] * 4


def test_what_is_printed_and_left(finished):
    folder, done = finished
    assert "points: 78 of 78" in done.stderr
    assert "points/s" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr
    names = {path.name for path in folder.iterdir()}
    assert names >= {"sweep.csv", "sweep.json", "config.yaml"}
    assert not [name for name in names if name.endswith(".part")]
    (table,) = folder.glob("wandb/offline-run-*/files/media/table/sweep*.json")  # one run, one table
    content = json.loads(table.read_text())
    assert len(content["data"]) == len(rows_of(folder))
    assert content["columns"][:3] == ["case", "method", "chosen"]


def test_parquet_says_the_same(finished):
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = parquet.read_table(finished[0] / "sweep.parquet").to_pylist()
    for row, cells in zip(rows, rows_of(finished[0]), strict=True):
        assert {name: "" if value is None else str(value) for name, value in row.items()} == cells


def test_the_written_configuration_runs_again_without_computing_anything(finished, call, tmp_path):
    folder = shutil.copytree(finished[0], tmp_path / "copy")
    marked, digest = mark_first_row((folder / "sweep.csv").read_bytes())
    (folder / "sweep.csv").write_bytes(marked)
    done = call("sweep", "--config", folder / "config.yaml", f"run.dir={folder}", "wandb.mode=disabled")
    assert done.returncode == 0, done.stderr
    assert {row["accuracy"] for row in rows_of(folder) if row["hash"] == digest} == {"0.123457"}


def mark_first_row(content):
    """A table whose first row has an accuracy that no computation gives, and that row's hash."""
    lines = content.splitlines(keepends=True)
    cells = lines[1].split(b",")
    cells[lines[0].split(b",").index(b"accuracy")] = b"0.123457"
    return b"".join([lines[0], b",".join(cells), *lines[2:]]), cells[-1].decode().strip()


def test_other_models_and_prompts_have_passes_of_their_own(call, settings, fit_free, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "calm_pl.sweeps.module._MOST_PROBABILITIES", 1
    )  # a point at a time, as for large sets
    more = ("methods=[zero_shot,calm]", "data.shots=3", "data.fold=all", "data.candidates=options")
    axes = ("sweep.grid.model.last_n_tokens=[1,2]", "sweep.grid.data.n_options=[2,3]")
    done = call("sweep", *settings, *more, *axes, "run.dir=run", "wandb.mode=disabled")
    assert done.returncode == 0, done.stderr
    rows = rows_of(tmp_path / "run")
    assert len(rows) == 2 * 2 * 2 * 5
    for n, options in (("1", "2"), ("2", "3")):
        alone = fit_free(*more, f"model.last_n_tokens={n}", f"data.n_options={options}")
        found = point(rows, last_n_tokens=n, n_options=options)
        assert found == alone


def test_held_out_clips_and_clips_that_cannot_be_read(call, settings, fit_free, tmp_path):
    root = make_esc50(tmp_path / "spoilt")
    for path in sorted(p for p in (root / "audio").iterdir() if p.name.startswith("1-"))[:2]:
        path.write_text("not a sound")
    skip = ("data.on_bad_clip=skip", "data.max_skipped_fraction=0.3", f"data.root={root}", "data.draws=2")
    cases = (
        *("sweep.cases.held.data.heldout_shots=3", "sweep.cases.held.voter.reliability_split=heldout"),
        *(
            "sweep.cases.left.voter.reliability_split=loo",
            "sweep.grid.data.shots=[2,4]",
            "methods=[sav,calm]",
        ),
    )
    done = call("sweep", *settings, *skip, *cases, "run.dir=run", "wandb.mode=disabled")
    assert done.returncode == 0, done.stderr
    rows = rows_of(tmp_path / "run")
    assert {row["n"] for row in rows} == {"7"}
    held = ("data.heldout_shots=3", "voter.reliability_split=heldout")
    for case, more in (("held", held), ("left", ("voter.reliability_split=loo",))):
        for shots in ("2", "4"):
            alone = fit_free(*skip, "methods=[sav,calm]", f"data.shots={shots}", *more)
            assert point(rows, case=case, shots=shots) == alone


def fails(done, *words):
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


def test_what_is_refused(call, settings, tmp_path):
    grid = "sweep.grid.voter.tau_p=[1]"
    fails(call("sweep", *settings, grid, "bank.dir=null"), "bank.dir")
    fails(call("sweep", *settings, "sweep.grid.voter.tau_p=[0,x]"), "2 problems", "tau_p[0]", "tau_p[1]")
    fails(call("sweep", *settings, grid, f"data.root={tmp_path}"), "meta/esc50.csv")
    fails(call("sweep", *settings, grid, "sweep.grid.data.shots=[2,99]"), "data.shots", "99")
    quiet = ("run.dir=run", "wandb.mode=disabled", "methods=[calm]", "data.shots=2", "sweep.references=false")
    assert call("sweep", *settings, grid, *quiet).returncode == 0
    other = ("sweep", *settings, "sweep.grid.voter.tau_p=[1,2]", *quiet)
    fails(call(*other), "another sweep", "run.overwrite=true")
    assert call(*other, "run.overwrite=true").returncode == 0
    assert [(row["chosen"], row["tau_p"]) for row in rows_of(tmp_path / "run")][:2] == [
        ("grid", "1.0"),
        ("grid", "2.0"),
    ]


def test_print_config_shows_the_sweep_and_runs_nothing(call, settings, tmp_path):
    done = call("sweep", *settings, "--config", "sweeps/figure4.yaml", "--print-config")
    assert "top_k:" in done.stdout
    assert list(tmp_path.iterdir()) == []


BIG = ("sweep.grid.voter.tau_p=[0.01,0.03,0.1,0.3,1]", "sweep.grid.voter.tau_w=[0.01,0.1,0.5,1]")
JOB = (
    *("methods=[calm,gda]", "data.fold=all", "data.draws=3", "data.shots=4", "sweep.references=false"),
    "wandb.mode=disabled",
)


@pytest.fixture
def start(settings, tmp_path):
    """Begin a sweep on ranks of one bank."""

    def begin(name, ranks=1, seconds=0.0):
        own = ("data.batch_size=2", f"trainer.devices={ranks}", "bank.dir=bank", f"run.dir={name}")
        return Job(tmp_path, ["sweep", *settings, *BIG, *JOB, *own], ranks, seconds, f"{name}-{ranks}")

    return begin


def until(condition):
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_killed_sweep_goes_on_and_ends_as_one_that_was_not(start, tmp_path):
    # Amid the encoding, on one rank.
    job = start("run", 1, seconds=0.05)
    until(lambda: len(job.encoded()) >= 10)
    job.kill(signal.SIGKILL)
    job.wait(120)
    encoded = len(job.encoded())
    # Amid the points, on two.
    job, table = start("run", 2), tmp_path / "run" / "sweep.csv"
    until(lambda: table.exists() and table.read_bytes().count(b"\n") > 60)
    job.kill(signal.SIGKILL)
    job.wait(120)
    assert encoded + len(job.encoded()) <= 45 + 2  # clips, and a batch that was in flight
    content = table.read_bytes()
    assert content.count(b"\n") < 1 + 21 * 15
    # What is there is not computed again: a value that no computation gives stays. The last line was cut off.
    marked, digest = mark_first_row(content)
    table.write_bytes(marked[:-40])
    done = start("run", 1).wait(120)
    assert done.statuses == [0], done.output
    whole = start("whole", 2)
    done = whole.wait(120)
    assert done.statuses == [0, 0], done.output
    assert whole.encoded() == []
    found, expected = rows_of(tmp_path / "run"), rows_of(tmp_path / "whole")
    changed = [(a, b) for a, b in zip(found, expected, strict=True) if a != b and a["chosen"] != "oracle"]
    assert {a["accuracy"] for a, _ in changed} == {"0.123457"}
    assert {a["hash"] for a, _ in changed} == {digest}


def test_its_table_can_be_drawn(finished, call):
    folder, _ = finished
    drawn = call("figures", folder / "sweep.csv", "--where", "tau_p=1", "--out", "drawn", "--format", "svg")
    assert drawn.returncode == 0, drawn.stderr
    assert "shots_by_heads.svg" in drawn.stdout
    assert "accuracy_over_heads.svg" in drawn.stdout
