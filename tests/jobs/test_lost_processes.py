"""Whatever ends a process of a job is told in a sentence, with what was kept and how to go on."""

import logging
import os
import re
from types import SimpleNamespace

import pytest
import torch

from calm_pl.config.schema import WandbConfig
from calm_pl.data.loading.batches import ClipDataset, Collator, MediaRule
from calm_pl.data.questions.clips import Clip, Query
from calm_pl.errors import RunError
from calm_pl.jobs.record import JobRecord
from calm_pl.jobs.stages import lost_ranks_told, told_plainly
from calm_pl.jobs.trainer import build_loggers

KEPT = "Encoded clips are in bank; run the same command again to resume."
TRAINER = SimpleNamespace(world_size=2, global_rank=1, interrupted=False)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("DataLoader worker (pid(s) 7, 8) exited unexpectedly", "A process that decodes clips was ended"),
        ("DataLoader worker (pid 7) is killed by signal: Killed. ", "A process that decodes clips was ended"),
        ("[gloo] Connection closed by peer [127.0.0.1]:1", "Rank 1 stopped because another rank did"),
    ],
)
def test_a_lost_worker_and_a_lost_rank(error, told):
    with pytest.raises(RunError, match=told) as caught, told_plainly(TRAINER, KEPT):
        raise RuntimeError(error)
    assert str(caught.value).endswith(KEPT)


def test_other_errors_stay_what_they_are():
    with pytest.raises(RuntimeError, match="of the program"), told_plainly(TRAINER, KEPT):
        raise RuntimeError("of the program")


@pytest.mark.parametrize(("code", "told"), [(-9, "was ended by SIGKILL"), (3, r"failed \(exit status 3\)")])
def test_a_rank_is_named_before_lightning_kills_the_others(code, told, monkeypatch, capsys):
    from lightning.fabric.strategies.launchers.subprocess_script import _ChildProcessObserver

    monkeypatch.setattr(_ChildProcessObserver, "_terminate_all", lambda self: None)
    log = logging.getLogger("lightning.fabric.strategies.launchers.subprocess_script")
    level = log.level
    child = SimpleNamespace(pid=77, returncode=code, poll=lambda: code)
    with lost_ranks_told(KEPT):
        assert _ChildProcessObserver(1, [child])._run()
    (line,) = capsys.readouterr().err.splitlines()
    assert re.fullmatch(rf"error: The rank of process 77 {told}, so the job ends\. {re.escape(KEPT)}", line)
    assert log.level == level
    assert not log.filters


def test_a_decoder_that_cannot_start_is_no_clips_fault(tmp_path):
    class Lost:
        def audio(self, *_):
            raise RunError("did not start")

    question = Query(Clip("a.wav", tmp_path / "a.wav", ("a",), ()), 0, "?", ())
    data = ClipDataset([question] * 3, MediaRule(16_000, 2.0))
    data.decoder = Lost()
    items = data.__getitems__([0, 1, 2])
    with pytest.raises(RunError, match="did not start"):
        Collator([question] * 3, None, torch.tensor([4]))(items)


def test_a_removed_run_folder_costs_its_log_alone(tmp_path):
    record = JobRecord(tmp_path / "run", "esc50", "m", "", "0")
    (log,) = build_loggers(WandbConfig(mode="disabled"), record)
    log.log_metrics({"a": 1.0})
    log.save()
    for name in ("logs/metrics.csv", "logs"):
        path = tmp_path / "run" / name
        path.unlink() if path.is_file() else os.rmdir(path)
    log.log_metrics({"a": 2.0})
    with pytest.warns(UserWarning, match=r"no metrics are logged: No such file"):
        log.save()
