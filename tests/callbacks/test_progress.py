"""Progress: clips of all ranks, cached, failed; plain lines where there is no terminal."""

import sys
from types import SimpleNamespace

import pytest
import torch

from callbacks.progress import ClipProgress
from calm_pl.data.loading.batches import Batch, Failure


def batch(clips, failures=0):
    nothing = torch.zeros(clips, dtype=torch.int64)
    return Batch(nothing, nothing, nothing[:, None], failures=[Failure(n, "x") for n in range(failures)])


def asked(questions, clips=None):
    """Questions about as many clips, or fewer."""
    return [SimpleNamespace(clip=SimpleNamespace(id=n % (clips or questions))) for n in range(questions)]


@pytest.fixture
def parts():
    task = SimpleNamespace(support=asked(12), query=asked(2_000))
    loaders = {"support": SimpleNamespace(num_banked=0), "query": SimpleNamespace(num_banked=1_500)}
    return SimpleNamespace(datamodule=SimpleNamespace(loaders=loaders)), SimpleNamespace(task=task)


def test_a_line_at_the_end_of_each_stage(parts, capsys):
    bar = ClipProgress()
    bar.on_validation_start(*parts)
    for _ in range(3):
        bar.on_validation_batch_end(*parts, None, batch(4))
    bar.on_validation_epoch_end(*parts)
    bar.on_test_start(*parts)
    bar.on_test_batch_end(*parts, None, batch(1_990, failures=10))
    bar.on_test_epoch_end(*parts)
    first, support, second, query = capsys.readouterr().err.splitlines()
    assert first == "support: 12 clips, 0 cached"
    assert second == "query: 2,000 clips, 1,500 cached"
    assert support.startswith("support: 12 of 12 clips, ")
    assert "cached" not in support
    assert "failed" not in support
    assert query.startswith("query: 2,000 of 2,000 clips, ")
    assert query.endswith("0 s left, 1,500 cached, 10 failed")


def test_a_line_now_and_then_in_between(parts, capsys, monkeypatch):
    monkeypatch.setattr("calm_pl.progress.SECONDS_BETWEEN_LINES", 0.0)
    bar = ClipProgress()
    bar.on_validation_start(*parts)
    for _ in range(3):
        bar.on_validation_batch_end(*parts, None, batch(4))
    _, *lines = capsys.readouterr().err.splitlines()
    assert [line.split(" clips")[0] for line in lines] == [f"support: {n} of 12" for n in (4, 8, 12)]


def test_other_ranks_count_but_say_nothing(parts, capsys):
    bar = ClipProgress()
    bar.disable()
    bar.on_validation_start(*parts)
    bar.on_validation_batch_end(*parts, None, batch(4, 1))
    stage = bar._stage
    bar.on_validation_epoch_end(*parts)
    assert capsys.readouterr().err == ""
    assert (stage.done.add(), stage.failed.add()) == (5, 1)


def test_a_bar_on_a_terminal(parts, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "200")  # the rate of no work at all is a long number
    bar = ClipProgress()
    bar.on_test_start(*parts)
    bar.on_test_batch_end(*parts, None, batch(1_999, failures=1))
    bar.on_test_epoch_end(*parts)
    shown = capsys.readouterr().err
    assert "2000/2000" in shown
    assert "1,500 cached, 1 failed" in shown
    assert "clips/s" in shown


def test_questions_are_not_called_clips(parts, capsys):
    trainer, module = parts
    module.task.support = asked(12, clips=5)
    bar = ClipProgress()
    bar.on_validation_start(trainer, module)
    bar.on_validation_batch_end(trainer, module, None, batch(12))
    bar.on_validation_epoch_end(trainer, module)
    first, last = capsys.readouterr().err.splitlines()
    assert first == "support: 12 questions, 0 cached"
    assert last.startswith("support: 12 of 12 questions, ")


def test_what_comes_after_the_clips_is_said(parts, capsys):
    trainer, module = parts
    bar = ClipProgress()
    for methods, told in (([], ""), (["zero_shot"], ""), (["zero_shot", "sav"], "Fitting SAVs")):
        module.methods = methods
        bar.on_validation_epoch_end(trainer, module)
        assert capsys.readouterr().err.strip() == told
    bar.on_test_end(trainer, module)
    module.results = {"sav": None}
    bar.on_test_end(trainer, module)
    assert capsys.readouterr().err == "Writing the results\n"
