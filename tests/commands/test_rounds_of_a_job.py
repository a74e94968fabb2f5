"""Draws, folds, held-out clips, candidates and missing files on the command line."""

import csv
import json

import pytest
from conftest import make_esc50

METHODS = ["zero_shot", "sav", "calm_global", "calm"]


def results_of(folder):
    return json.loads((folder / "results.json").read_text())


def rows_of(folder, name="predictions.csv"):
    with (folder / name).open(newline="") as file:
        return list(csv.DictReader(file))


PAGE = "callbacks=[progress,run_record,predictions,figures,report]"


@pytest.fixture
def job(call, small_job, tmp_path):
    """Run a job in this process; its run folder and what it printed."""

    def run(*args, status=0):
        result = call("fit-free", *small_job, *args)
        assert result.returncode == status, result.stdout + result.stderr
        assert "Traceback" not in result.stderr
        return tmp_path / "run", result

    return run


@pytest.fixture
def spoilt(tmp_path):
    return make_esc50(tmp_path / "spoilt")


def accuracy(rows, method):
    return sum(row[method] == row["label"] for row in rows) / len(rows)


def test_all_folds_and_draws_in_one_run(job):
    folder, result = job(PAGE, "data.fold=all", "data.draws=2")
    rows, results = rows_of(folder), results_of(folder)
    assert list(rows[0])[:5] == ["clip", "fold", "draw", "label", "options"]
    assert len(rows) == 90
    assert len({(row["clip"], row["draw"]) for row in rows}) == 90
    assert all(row["clip"].startswith(f"{row['fold']}-") for row in rows)
    assert results["n_query"] == 45
    places = [(str(fold), draw) for fold in range(1, 6) for draw in (0, 1)]
    for method in METHODS:
        scores = results["methods"][method]
        assert [(one["fold"], one["draw"]) for one in scores["rounds"]] == places
        for one in scores["rounds"]:
            own = [row for row in rows if (row["fold"], row["draw"]) == (one["fold"], str(one["draw"]))]
            assert one["n"] == len(own) == 9
            assert one["accuracy"] == pytest.approx(accuracy(own, method), abs=1e-6)
        assert scores["accuracy"] == pytest.approx(accuracy(rows, method), abs=2e-6)
        assert scores["n"] == 45
        low, high = scores["ci95"]["accuracy"]
        assert low <= scores["accuracy"] <= high
        assert set(scores["sd"]["accuracy"]) == {"draws", "folds"}
    assert results["methods"]["zero_shot"]["sd"]["accuracy"]["draws"] == 0  # it has no support to draw
    spread = "± standard deviation over 2 draws, mean over 5 folds"
    note = f"{spread}; 95 % intervals over clips and over draws."
    page = (folder / "report.html").read_text()
    assert note in " ".join(result.stdout.split())
    assert note in page
    calm = results["methods"]["calm"]
    cell = f"{100 * calm['accuracy']:.1f} ± {100 * calm['sd']['accuracy']['draws']:.1f}"
    assert cell in result.stdout
    assert cell in page


def test_the_classifier_is_that_of_the_first_round(job, tmp_path):
    from calm_pl import load_classifier

    folder, _ = job("data.fold=all", "data.draws=2")
    first = load_classifier(folder / "classifier.safetensors")
    job("data.fold=1", f"run.dir={tmp_path / 'one'}")
    alone = load_classifier(tmp_path / "one" / "classifier.safetensors")
    for name, voter in alone.voters.items():
        assert (abs(voter.centroids_ - first.voters[name].centroids_)).max() < 1e-4


def test_folds_alone_spread_over_folds(job):
    folder, result = job("data.fold=all", "methods=[calm]")
    assert "standard deviation over 5 folds; 95 % intervals" in " ".join(result.stdout.split())
    spread = results_of(folder)["methods"]["calm"]["sd"]["accuracy"]
    assert spread["draws"] is None
    assert spread["folds"] >= 0


def test_one_round_has_no_spread(job):
    folder, result = job("methods=[calm]")
    calm = results_of(folder)["methods"]["calm"]
    assert set(calm) == {"accuracy", "macro_f1", "exact_match", "ci95", "n", "ece"}
    assert "±" not in result.stdout
    assert {row["draw"] for row in rows_of(folder)} == {"0"}


def test_voters_choose_among_the_options_where_asked(job):
    folder, result = job("data.candidates=options", "data.n_options=2", "data.shots=1")
    for row in rows_of(folder):
        assert {row[method] for method in METHODS} <= set(row["options"].split("|"))
    assert "the voters among the same options" in " ".join(result.stdout.split())


def test_held_out_clips_on_two_ranks(launch, job, small_job, tmp_path):
    heldout = ("data.heldout_shots=2", "voter.reliability_split=heldout", "data.draws=2", "data.batch_size=1")
    folder, _ = job(*heldout)
    launch(
        "fit-free",
        *small_job,
        *heldout,
        "wandb.mode=disabled",
        "trainer.devices=2",
        "run.dir=two",
        check=True,
    )
    one, two = results_of(folder), results_of(tmp_path / "two")
    assert one["methods"] == two["methods"]
    assert one["n_support"] == two["n_support"] > 12 + 6
    job("data.draws=2", f"run.dir={tmp_path / 'plain'}")
    confidences = [[row["calm_confidence"] for row in rows_of(f)] for f in (folder, tmp_path / "plain")]
    assert confidences[0] != confidences[1]  # other clips judged the heads


def test_held_out_clips_that_nobody_uses_are_refused(job):
    _, result = job("data.heldout_shots=2", status=1)
    assert "data.heldout_shots" in result.stderr


def test_missing_files_of_a_public_set_are_listed(job, spoilt):
    gone = sorted(p for p in (spoilt / "audio").iterdir() if p.name.startswith("1-"))[:2]
    for path in gone:
        path.unlink()
    folder, result = job(PAGE, f"data.root={spoilt}", "methods=[calm]")
    assert [(row["clip"], row["path"]) for row in rows_of(folder, "missing.csv")] == [
        (p.name, str(p)) for p in gone
    ]
    assert "2 of 45 listed clips are not on disk (missing.csv)" in " ".join(result.stdout.split())
    assert "2 of 45 listed clips are not on disk" in (folder / "report.html").read_text()
    results = results_of(folder)
    assert (results["n_query"], results["n_skipped"]) == (7, 0)


def test_a_list_of_missing_files_goes_with_them(job, spoilt):
    path = sorted((spoilt / "audio").iterdir())[0]
    content = path.read_bytes()
    path.unlink()
    folder, _ = job(f"data.root={spoilt}", "methods=[calm]")
    path.write_bytes(content)
    job(f"data.root={spoilt}", "methods=[calm]")
    assert results_of(folder)["n_query"] == 9
    assert not (folder / "missing.csv").exists()


def test_missing_files_are_refused_where_asked(job, spoilt):
    path = sorted((spoilt / "audio").iterdir())[0]
    path.unlink()
    folder, result = job(f"data.root={spoilt}", "data.on_missing=stop", status=1)
    assert "1 of 45 clips are not on disk" in result.stderr
    assert str(path) in result.stderr
    assert not (folder / "results.json").exists()


@pytest.fixture
def leaky(spoilt):
    """A support file with the bytes of a query file."""
    query = sorted((spoilt / "audio").glob("1-*-0.wav"))[0]
    for path in (spoilt / "audio").glob("[2-5]-*-0.wav"):
        path.write_bytes(query.read_bytes())
    return spoilt


def test_the_same_bytes_on_both_sides_are_refused(job, leaky):
    _, result = job(f"data.root={leaky}", status=1)
    assert "files with the same bytes" in result.stderr
    assert "data.leak_guard=none" in result.stderr


def test_the_leak_guard_can_be_turned_off_as_its_message_says(job, leaky):
    job(f"data.root={leaky}", "methods=[calm]", "data.leak_guard=none")


def test_results_say_that_the_leak_guard_was_off(job, leaky):
    folder, result = job(PAGE, f"data.root={leaky}", "methods=[calm]", "data.leak_guard=none")
    assert "the leak guard was off" in result.stdout
    assert "the leak guard was off" in (folder / "report.html").read_text()
    assert "the leak guard was off" in (folder / "results.json").read_text()


def test_a_run_can_be_repeated_from_its_own_configuration(job, call, tmp_path):
    folder, _ = job("data.fold=all", "data.draws=2", "methods=[sav,calm]")
    again = call("fit-free", "--config", folder / "config.yaml", f"run.dir={tmp_path / 'again'}")
    assert again.returncode == 0, again.stderr
    assert results_of(folder)["methods"] == results_of(tmp_path / "again")["methods"]
