"""A run folder holds what its last run wrote, and nothing of an earlier one."""

from pathlib import Path

import pytest

from calm_pl import load_classifier
from calm_pl.report.markdown import run_markdown
from calm_pl.runs import read_run

QUIET = ("wandb.mode=disabled", "run.overwrite=true", "bank.dir=bank", "data.shots=2")
FILES = "callbacks=[predictions,run_record]"


@pytest.fixture
def job(call, small_job):
    def run(*args):
        ended = call("fit-free", *small_job, *QUIET, *args)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return {path.name for path in Path("run").iterdir()}

    return run


def test_a_classifier_of_an_earlier_run_goes(job):
    assert "classifier.safetensors" in job(FILES, "methods=[calm]")
    table = Path("run/results.md").read_text()
    assert table == run_markdown(read_run("run"))
    assert "| CALM |" in table
    assert "classifier.safetensors" not in job(FILES, "methods=[knn]")
    assert "classifier.safetensors" not in job(FILES, "methods=[zero_shot]")


def test_figures_of_an_earlier_run_are_no_longer_listed(job):
    job("callbacks=[predictions,figures,run_record]", "methods=[sav]")
    assert Path("run/figures/index.json").is_file()
    job(FILES, "methods=[calm]")
    assert not Path("run/figures/index.json").exists()


def test_pseudo_labels_without_a_voter_to_store(job):
    found = job(FILES, "methods=[zero_shot]", "data.support_labels=pseudo", "pseudo.rollouts=2")
    assert "results.json" in found
    assert "classifier_pl.safetensors" not in found


def test_voters_on_pseudo_labels_are_stored_without_scikit_learns(job):
    bundled = ("model.path=bundled:tiny_lalm", "data.root=bundled:esc10", "data.n_options=4")
    found = job(FILES, "methods=[calm,knn]", "data.support_labels=pseudo", "pseudo.rollouts=4", *bundled)
    assert "classifier_pl.safetensors" in found
    assert list(load_classifier("run/classifier_pl.safetensors").voters) == ["calm"]
