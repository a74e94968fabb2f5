"""`fit-free` as a user runs it: the real command line, real files, real ranks."""

import csv
import json
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile
from conftest import LEAN, REPO, command_line, make_esc50, outside

METHODS = ["zero_shot", "sav", "calm_global", "calm"]


def results_of(folder):
    return json.loads((folder / "results.json").read_text())


def rows_of(folder, name="predictions.csv"):
    with (folder / name).open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def finished(tmp_path_factory, esc_root, tiny_folder):
    """The folder of one finished job, and what it printed."""
    folder = tmp_path_factory.mktemp("job")
    settings = ("data.benchmark=esc50", f"data.root={esc_root}", f"model.path={tiny_folder}", "data.shots=4")
    rest = ("data.n_options=3", "trainer.accelerator=cpu", "trainer.devices=1", "data.batch_size=4")
    return folder / "run", command_line(folder, "fit-free", *settings, *rest, "run.dir=run")


def test_the_run_folder_is_as_documented(finished):
    folder, _ = finished
    names = {path.name for path in folder.iterdir()}
    assert names >= {
        "results.json",
        "results.md",
        "predictions.csv",
        "config.yaml",
        "classifier.safetensors",
        "skipped.csv",
        "report.html",
    }
    assert {path.stat().st_mode & 0o444 for path in folder.iterdir() if path.is_file()} == {0o444}
    assert not [name for name in names if name.endswith(".part")]
    results = results_of(folder)
    assert set(results) >= {
        *("benchmark", "model", "methods", "n_support", "n_query", "n_skipped"),
        *("seconds", "versions", "config_hash"),
    }
    assert list(results["methods"]) == METHODS
    assert (results["n_support"], results["n_query"], results["n_skipped"]) == (12, 9, 0)
    for scores in results["methods"].values():
        assert scores["n"] == 9
        low, high = scores["ci95"]["accuracy"]
        assert 0 <= low <= scores["accuracy"] <= high <= 1


def test_results_equal_what_the_predictions_say(finished):
    from sklearn.metrics import f1_score

    folder, _ = finished
    rows = rows_of(folder)
    truth = [row["label"] for row in rows]
    assert len(rows) == len({row["clip"] for row in rows}) == 9
    for method, scores in results_of(folder)["methods"].items():
        predicted = [row[method] for row in rows]
        right = sum(p == t for p, t in zip(predicted, truth, strict=True))
        assert scores["accuracy"] == scores["exact_match"] == pytest.approx(right / 9, abs=1e-6)
        assert scores["macro_f1"] == pytest.approx(f1_score(truth, predicted, average="macro"), abs=1e-6)


def test_the_report_stands_alone_and_says_what_the_results_say(finished):
    folder, _ = finished
    page = (folder / "report.html").read_text()
    for method, scores in results_of(folder)["methods"].items():
        assert f">{100 * scores['accuracy']:.1f}</td>" in page, method
    assert "shots: 4" in page  # the whole configuration, as YAML
    assert "<script src" not in page


def test_the_tones_are_told_apart(finished):
    methods = results_of(finished[0])["methods"]
    assert min(methods[name]["accuracy"] for name in METHODS[1:]) > 0.6  # chance is a third


def test_zero_shot_answers_with_one_of_the_options(finished):
    for row in rows_of(finished[0]):
        assert row["zero_shot"] in row["options"].split("|")
        assert row["label"] in row["options"].split("|")


def test_the_table_and_the_progress_are_printed(finished):
    _, result = finished
    for word in ("zero-shot", "SAVs", "CALM-Global", "CALM", "accuracy", "Macro-F1", "95 %", "support"):
        assert word in result.stdout
    for line in (
        "ESC-50: 45 clips of 3 classes in ",
        "Loading tiny",
        "Checking that the model hears, ",
        "support: 12 clips, 0 cached",
        "Fitting SAVs, CALM-Global, CALM",
        "query: 9 clips, 0 cached",
        "Writing the results",
    ):
        assert line in result.stderr
    assert re.search(r"Results: run \(\d+ s in all, \d+ of them waiting for clips\)", result.stdout)
    assert "support: 12 of 12 clips" in result.stderr
    assert "query: 9 of 9 clips" in result.stderr
    assert "clips/s" in result.stderr
    assert "Traceback" not in result.stderr
    assert "Warning" not in result.stderr


def test_the_resolved_configuration_runs_again_to_the_same_result(finished, launch, tmp_path):
    folder, _ = finished
    launch("fit-free", "--config", folder / "config.yaml", "run.dir=again", "wandb.mode=disabled", check=True)
    first, again = results_of(folder), results_of(tmp_path / "again")
    assert first["methods"] == again["methods"]
    assert first["config_hash"] == again["config_hash"]
    assert not (tmp_path / "again" / "wandb").exists()


@pytest.mark.parametrize("ranks", [2, 3])
def test_ranks_change_nothing(finished, launch, tmp_path, ranks):
    folder, _ = finished
    config = ("--config", folder / "config.yaml", "run.dir=ranks", *LEAN)
    # Once with ranks that Lightning starts itself.
    done = launch("fit-free", *config, f"trainer.devices={ranks}", check=True, cold=ranks == 2)
    assert "support: 12 of 12 clips" in done.stderr  # of all ranks
    assert "query: 9 of 9 clips" in done.stderr
    one, many = results_of(folder), results_of(tmp_path / "ranks")
    assert one["methods"] == many["methods"]
    assert (one["n_support"], one["n_query"]) == (many["n_support"], many["n_query"])
    for a, b in zip(rows_of(folder), rows_of(tmp_path / "ranks"), strict=True):
        for key in a:
            if key.endswith("confidence"):
                assert float(a[key]) == pytest.approx(float(b[key]), abs=1e-5)
            else:
                assert a[key] == b[key]


def test_more_ranks_than_batches(finished, launch, tmp_path):
    folder, _ = finished
    config = ("--config", folder / "config.yaml", "run.dir=ranks", *LEAN)
    launch("fit-free", *config, "trainer.devices=3", "data.batch_size=12", check=True)
    assert results_of(tmp_path / "ranks")["n_query"] == 9


def test_batch_size_and_workers_change_nothing(finished, launch, tmp_path):
    folder, _ = finished
    config = ("--config", folder / "config.yaml", "run.dir=other", *LEAN)
    launch("fit-free", *config, "data.batch_size=1", "data.num_workers=0", check=True)
    assert results_of(folder)["methods"] == results_of(tmp_path / "other")["methods"]


def test_a_run_folder_of_another_configuration_is_not_overwritten(finished, call, small_job):
    folder, _ = finished
    before = (folder / "results.json").read_bytes()
    result = call("fit-free", *small_job, "data.seed=5", f"run.dir={folder}")
    assert result.returncode == 1
    assert "another configuration" in result.stderr
    assert (folder / "results.json").read_bytes() == before


def test_some_methods_only(call, small_job, tmp_path):
    job = ("fit-free", *small_job, "methods=[calm]", "data.n_options=0", "wandb.mode=disabled")
    assert call(*job).returncode == 0
    assert list(results_of(tmp_path / "run")["methods"]) == ["calm"]
    assert rows_of(tmp_path / "run")[0]["options"] == ""


def test_print_config_shows_the_result_and_runs_nothing(call, small_job, tmp_path):
    result = call("fit-free", *small_job, "--print-config")
    assert "shots: 4" in result.stdout
    assert "tau_p: 0.03" in result.stdout
    assert list(tmp_path.iterdir()) == []


def fails(result, *words):
    """One clear message, a non-zero status, no traceback."""
    assert result.returncode == 1, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    assert result.stderr.count("error:") == 1
    for word in words:
        assert word in result.stderr


def test_faults_in_the_configuration_come_all_at_once(call):
    result = call("fit-free", "--config", "esc50", "data.shot=3", "voter.tau_p=-1", "model.dtype=int4")
    fails(result, "data.shots", "voter.tau_p", "model.dtype", "data.root", "4 problems")


@pytest.fixture
def spoilt(tmp_path):
    """A data set of its own, to break."""
    return make_esc50(tmp_path / "spoilt")


BAD_FILES = {
    "zero-length": lambda path: path.write_bytes(b""),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:5000]),
    "text": lambda path: path.write_text("not a sound"),
    "nan": lambda path: soundfile.write(path, np.full(8000, np.nan, np.float32), 16_000, subtype="FLOAT"),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_bad_clip_stops_the_job(call, small_job, spoilt, tmp_path, kind):
    victim = sorted((spoilt / "audio").iterdir())[0]
    BAD_FILES[kind](victim)
    result = call("fit-free", *small_job, f"data.root={spoilt}", "wandb.mode=disabled")
    fails(result, str(victim), "data.on_bad_clip=skip")
    assert not (tmp_path / "run" / "results.json").exists()


def test_a_bad_clip_on_one_of_two_ranks_stops_both_with_one_reason(launch, small_job, spoilt):
    victim = sorted(p for p in (spoilt / "audio").iterdir() if p.name.startswith("1-"))[4]
    victim.write_text("not a sound")
    job = ("fit-free", *small_job, f"data.root={spoilt}", "data.batch_size=2", "wandb.mode=disabled")
    result = launch(*job, "trainer.devices=2", cold=True)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert result.stderr.count(str(victim)) == 1


@pytest.mark.parametrize("ranks", [1, 2])
def test_bad_clips_are_skipped_where_asked_and_told(call, launch, small_job, spoilt, tmp_path, ranks):
    query = sorted(p for p in (spoilt / "audio").iterdir() if p.name.startswith("1-"))
    for path, kind in zip(query, ("zero-length", "text"), strict=False):
        BAD_FILES[kind](path)
    skip = ("data.on_bad_clip=skip", "data.max_skipped_fraction=0.3", "wandb.mode=disabled")
    job = ("fit-free", *small_job, f"data.root={spoilt}", *skip, f"trainer.devices={ranks}")
    result = (launch if ranks > 1 else call)(*job)
    assert result.returncode == 0, result.stderr
    results = results_of(tmp_path / "run")
    assert (results["n_query"], results["n_skipped"]) == (7, 2)
    assert results["methods"]["calm"]["n"] == 7
    skipped = rows_of(tmp_path / "run", "skipped.csv")
    assert [row["clip"] for row in skipped] == [query[0].name, query[1].name]
    assert all(str(path) in row["reason"] for path, row in zip(query, skipped, strict=False))
    assert "Coverage of the query: 7 of 9 clips" in result.stdout
    assert len(rows_of(tmp_path / "run")) == 7


def test_too_many_bad_clips_stop_the_job(call, small_job, spoilt):
    for path in sorted(p for p in (spoilt / "audio").iterdir() if p.name.startswith("1-"))[:2]:
        path.write_text("not a sound")
    skip = ("data.on_bad_clip=skip", "data.max_skipped_fraction=0.1", "wandb.mode=disabled")
    fails(call("fit-free", *small_job, f"data.root={spoilt}", *skip), "2 of 9", "max_skipped_fraction=0.1")


def test_a_class_that_loses_all_support_stops_the_job(call, small_job, spoilt):
    for path in (spoilt / "audio").iterdir():
        if path.name.endswith("-10.wav") and not path.name.startswith("1-"):
            path.write_text("gone")
    skip = ("data.on_bad_clip=skip", "data.max_skipped_fraction=0.5", "wandb.mode=disabled")
    fails(call("fit-free", *small_job, f"data.root={spoilt}", *skip), "rain", "support")


def edit_meta(root, change):
    meta = root / "meta" / "esc50.csv"
    header, *rows = meta.read_text().splitlines()
    meta.write_text("\n".join([header, *change([row.split(",") for row in rows])]) + "\n")


def test_an_unknown_label(call, small_job, spoilt):
    meta = spoilt / "meta" / "esc50.csv"
    meta.write_text(meta.read_text().replace(",dog,", ",dgo,", 1))
    fails(call("fit-free", *small_job, f"data.root={spoilt}"), "'dgo'", "'dog'", "line 2")


def test_a_class_that_only_the_query_has(call, small_job, spoilt):
    edit_meta(spoilt, lambda rows: [",".join(r) for r in rows if r[3] != "siren" or r[1] == "1"])
    fails(call("fit-free", *small_job, f"data.root={spoilt}"), "'siren'", "support")


def test_a_recording_on_both_sides(call, small_job, spoilt):
    edit_meta(spoilt, lambda rows: [",".join([*r[:5], "77" if r[3] == "dog" else r[5], r[6]]) for r in rows])
    fails(
        call("fit-free", *small_job, f"data.root={spoilt}"), "share", "recording 77", "(support)", "(query)"
    )


def test_a_wrong_root(call, small_job, tmp_path):
    fails(call("fit-free", *small_job, f"data.root={tmp_path}"), "meta/esc50.csv", "data.root")


def test_an_unwritable_run_folder(call, small_job, tmp_path):
    (tmp_path / "file").write_text("")
    fails(call("fit-free", *small_job, "run.dir=file/run"), "file/run", "run.dir=FOLDER")


@pytest.mark.parametrize("setting", ["accelerator=gpu", "strategy=nonsense"])
def test_settings_that_lightning_refuses(call, small_job, setting):
    import torch

    if setting == "accelerator=gpu" and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    fails(call("fit-free", *small_job, f"trainer.{setting}", "wandb.mode=disabled"), "trainer")


def test_weights_and_biases_without_an_account(call, small_job, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    fails(call("fit-free", *small_job, "wandb.mode=online"), "Weights & Biases", "wandb.mode=offline")


def test_the_traceback_comes_with_debug(call, small_job, tmp_path):
    result = call("fit-free", *small_job, f"data.root={tmp_path}", "--debug")
    assert result.returncode == 1
    assert "Traceback" in result.stderr


def test_ctrl_c_leaves_no_half_written_result(small_job, tmp_path, tiny_folder):
    root = make_esc50(tmp_path / "many", per_cell=60)
    command = [sys.executable, str(REPO / "launch.py"), "fit-free", *small_job, f"data.root={root}"]
    process = subprocess.Popen(
        [*command, "data.shots=null", "data.batch_size=1"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A shell that runs the tests in the background lets its children ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    # Amid the support: some clips are in the bank, most are not.
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("runs/.bank/shards/*.safetensors")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode not in (0, None)
    assert "Traceback" not in output
    assert "No results were written" in output
    left = {path.name for path in (tmp_path / "run").iterdir()}
    assert left <= {"logs", "wandb"}


MODES = ("offline", "disabled")


def test_no_network_is_needed(small_job, tmp_path):
    alone = ("unshare", "--user", "--map-root-user", "--net")
    if shutil.which("unshare") is None or subprocess.run([*alone, "true"], check=False).returncode:
        pytest.skip("network namespaces are not allowed here")
    # One process after the other would import everything twice.
    jobs = [["fit-free", *small_job, f"wandb.mode={mode}", f"run.dir={mode}"] for mode in MODES]
    code = f"from calm_pl.commands.main import main; exit(any([main(job) for job in {jobs!r}]))"
    command = [*alone, sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=outside(), capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    for mode in MODES:
        assert (tmp_path / mode / "results.json").is_file()
