"""The contender that looks at the query as a whole: its rows, marks, blocks and passes."""

import json
from pathlib import Path

import pytest

from calm_pl.errors import RunError
from calm_pl.evaluation import transductive
from calm_pl.evaluation.contenders import FittedVoter
from calm_pl.evaluation.transductive import Transductive
from calm_pl.methods import METHODS, Method
from calm_pl.voters import Gda

QUIET = ["callbacks=[predictions,run_record]", "wandb.mode=disabled", "trainer.enable_progress_bar=false"]


@pytest.fixture
def run(call, small_job):
    def go(folder, *settings):
        job = [*small_job, *QUIET, "data.shots=3", "methods=[gda,gda_transductive]", *settings]
        ended = call("fit-free", *job, f"run.dir={folder}")
        assert ended.returncode == 0, ended.stderr
        rows = (Path(folder) / "predictions.csv").read_text()
        return json.loads((Path(folder) / "results.json").read_text()), rows, ended

    return go


def test_a_run_marks_it_everywhere_and_batches_change_nothing(run):
    results, rows, ended = run("one", "data.batch_size=1")
    assert "GDA, transductive" in ended.stdout
    assert results["methods"]["gda_transductive"]["transductive"] is True
    assert "transductive" not in results["methods"]["gda"]
    assert "transductive" in Path("one/results.md").read_text()
    again = run("other", "data.batch_size=5")
    assert again[0]["methods"] == results["methods"]

    def predicted(text):
        table = [line.split(",") for line in text.splitlines()]
        return [line[table[0].index("gda_transductive")] for line in table]

    assert predicted(again[1]) == predicted(rows)
    assert "gda_transductive_confidence" in rows.splitlines()[0]


def test_blocks_of_clips_are_answered_each_for_itself(run, monkeypatch):
    seen = []
    real = transductive.together
    monkeypatch.setattr(transductive, "together", lambda s, x, p: seen.append(len(x)) or real(s, x, p))
    monkeypatch.setattr(transductive, "BLOCK", 2)
    results, *_ = run("blocks")
    assert max(seen) <= 2
    assert sum(seen) == results["n_query"]


def test_it_needs_gda_and_a_sweep_refuses_it(call, small_job):
    ended = call("fit-free", *small_job, *QUIET, "methods=[gda_transductive]")
    assert "must also name gda, which gda_transductive" in ended.stderr
    ended = call("sweep", *small_job, "methods=[gda,gda_transductive]", "sweep.grid.data.shots=[1]")
    assert "gda_transductive looks at the query as a whole" in ended.stderr


def test_without_the_first_pass_it_says_what_to_run():
    contender = Transductive("gda_transductive", FittedVoter("gda", Gda()))
    with pytest.raises(RunError, match="OraclePass"):
        contender.predict(None)


def test_a_title_that_hides_it_is_refused():
    assert [row.key for row in METHODS if row.transductive] == ["gda_transductive"]
    with pytest.raises(ValueError, match="say that it is transductive"):
        Method("mine", "Mine", "Mine.", transductive=True)
