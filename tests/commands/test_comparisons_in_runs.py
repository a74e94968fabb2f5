"""scikit-learn's classifiers as methods in the table, beside the voters and from the same pass."""

import csv
import json
from pathlib import Path

import pytest
from conftest import LEAN
from rank_processes import Job

from calm_pl.methods import METHODS as TABLE

TOWER = ["gda_tower", "gda_with_tower", "calm_auto_with_tower"]
METHODS = [row.key for row in TABLE if row.key in ("sav", "calm", *TOWER) or row.package == "sklearn"]
QUIET = ["callbacks=[predictions,run_record]", "wandb.mode=disabled", "trainer.enable_progress_bar=false"]


def outcome(folder):
    results = json.loads((folder / "results.json").read_text())
    with (folder / "predictions.csv").open(newline="") as file:
        return results["methods"], list(csv.DictReader(file))


@pytest.fixture(scope="module")
def by_ranks(esc_root, tiny_folder, tmp_path_factory):
    """The same job on one rank and on two, without a bank."""
    found = {}
    for ranks in (1, 2):
        folder = tmp_path_factory.mktemp(f"ranks{ranks}")
        job = [
            "fit-free",
            "data.benchmark=esc50",
            f"data.root={esc_root}",
            f"model.path={tiny_folder}",
            "data.shots=5",
            "data.n_options=0",
            "data.num_workers=0",
            "trainer.accelerator=cpu",
            f"trainer.devices={ranks}",
            "bank.dir=null",
            f"methods=[{','.join(METHODS)}]",
            "run.dir=run",
            *LEAN,
            *QUIET,
        ]
        ended = Job(folder, job, ranks, 0.0, "job").wait(120)
        assert set(ended.statuses) == {0}, ended.output
        found[ranks] = outcome(folder / "run"), ended.output
    return found


def test_each_has_its_row_and_its_column(by_ranks):
    (methods, rows), output = by_ranks[1]
    assert list(methods) == METHODS
    assert {f"{name}" for name in METHODS} <= set(rows[0])
    for title in ("logistic regression", "k-NN", "centroid, hidden state", "logistic, best head"):
        assert title in output


def test_two_ranks_answer_as_one(by_ranks):
    assert by_ranks[1][0] == by_ranks[2][0]


def test_hidden_states_tell_other_things_than_heads(by_ranks):
    rows = by_ranks[1][0][1]
    names = ("logistic_regression", "logistic_regression_hidden")
    heads, hidden = ([row[f"{name}_confidence"] for row in rows] for name in names)
    assert heads != hidden


def test_the_tower_tells_other_things_than_heads_and_hidden_states(by_ranks):
    rows = by_ranks[1][0][1]
    kinds = ("logistic_regression", "logistic_regression_hidden", "logistic_regression_tower")
    assert len({tuple(row[f"{name}_confidence"] for row in rows) for name in kinds}) == 3
    assert len({tuple(row[f"{name}_confidence"] for row in rows) for name in TOWER}) == 3


def test_batches_of_one_give_the_tower_rows_of_larger_ones(call, small_job):
    job = [*small_job, *QUIET, f"methods=[{','.join(TOWER)},nearest_centroid_tower]"]
    rows = []
    for size in (1, 8):
        assert call("fit-free", *job, f"data.batch_size={size}", f"run.dir=run{size}").returncode == 0
        rows.append(outcome(Path(f"run{size}"))[1])
    for one, other in zip(*rows, strict=True):
        for name in (*TOWER, "nearest_centroid_tower"):
            assert one[name] == other[name]
            confidences = [float(row[f"{name}_confidence"]) for row in (one, other)]
            assert confidences[0] == pytest.approx(confidences[1], abs=1e-4)


@pytest.mark.parametrize("own", ["logistic_regression_hidden", "gda_tower", "knn_tower,knn,gda_with_tower"])
def test_what_is_not_heads_comes_from_the_bank_too(call, small_job, own):
    job = [*small_job, *QUIET, "bank.dir=bank", f"methods=[calm,{own}]"]
    first = call("fit-free", *job, "run.dir=first")
    second = call("fit-free", *job, "run.dir=second")
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert outcome(Path("first")) == outcome(Path("second"))
    assert "21 questions, 21 of them already cached" in call("extract", *job, "--only-drawn").stdout


def test_a_stored_classifier_leaves_them_out(call, small_job):
    from calm_pl import load_classifier

    assert call("fit-free", *small_job, *QUIET, "methods=[calm,knn,gda_with_tower]").returncode == 0
    assert list(load_classifier("run/classifier.safetensors").voters) == ["calm"]


def test_without_scikit_learn_it_says_what_to_install(call, small_job, monkeypatch):
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "sklearn" else real(name))
    ended = call("fit-free", *small_job, *QUIET, "methods=[calm,knn]")
    assert ended.returncode != 0
    assert "knn need scikit-learn: pip install 'calm_pl[compare]'" in ended.stderr


def test_what_pseudo_label_puts_into_the_bank_has_hidden_states_too(call, small_job):
    job = [*small_job, *QUIET, "methods=[logistic_regression_hidden]"]
    labels = ["pseudo.rollouts=2", "pseudo.min_agreement=0.5", "run.dir=labels"]
    hidden = [*small_job, *labels, "methods=[logistic_regression_hidden]", "bank.dir=bank"]
    assert call("pseudo-label", *hidden).returncode == 0
    kept = call("fit-free", *job, "run.dir=kept", "bank.dir=bank")
    plain = call("fit-free", *job, "run.dir=plain", "bank.dir=null")
    assert (kept.returncode, plain.returncode) == (0, 0), kept.stderr + plain.stderr
    assert outcome(Path("kept")) == outcome(Path("plain"))
