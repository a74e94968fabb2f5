"""Jobs that are killed, told to stop or fail on one rank; and that the same command then goes on."""

import csv
import json
import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import make_esc50
from rank_processes import Job

from calm_pl.bank import HeadBank
from calm_pl.bank.behind import MOST_PENDING

BATCH = 2
IN_FLIGHT = BATCH * (1 + MOST_PENDING)  # on a rank: encoded, and not written yet


@pytest.fixture(scope="module")
def start(tmp_path_factory, tiny_folder):
    """Begin a job of 27 support and 15 query clips in a folder; all jobs of a folder share its bank."""
    root = make_esc50(tmp_path_factory.mktemp("set") / "esc", per_cell=5)

    def begin(folder, name, ranks=1, seconds=0.0, more=()):
        settings = ("data.benchmark=esc50", f"data.root={root}", f"model.path={tiny_folder}", "data.shots=9")
        sizes = ("data.n_options=3", "data.num_workers=0", f"data.batch_size={BATCH}", "bank.dir=bank")
        place = ("trainer.accelerator=cpu", f"trainer.devices={ranks}", f"run.dir={name}")
        quiet = ("wandb.mode=disabled", "callbacks=[progress,predictions,run_record]")
        return Job(folder, ["fit-free", *settings, *sizes, *place, *quiet, *more], ranks, seconds, name)

    return begin


TOTAL = 27 + 15


def outcome(folder):
    with (folder / "predictions.csv").open(newline="") as file:
        return json.loads((folder / "results.json").read_text())["methods"], list(csv.DictReader(file))


def equal(one, other):
    assert one[0] == other[0]
    assert len(one[1]) == len(other[1])
    for a, b in zip(one[1], other[1], strict=True):
        for name in a:
            if name.endswith("confidence"):
                assert float(a[name]) == pytest.approx(float(b[name]), abs=1e-5)
            else:
                assert a[name] == b[name]


@pytest.fixture(scope="module")
def whole(start, tmp_path_factory):
    """What a job that nobody stops finds."""
    folder = tmp_path_factory.mktemp("whole")
    done = start(folder, "run").wait()
    assert done.statuses == [0], done.output
    return outcome(folder / "run")


def until(job, clips):
    """Wait until a job has encoded so many."""
    end = time.monotonic() + 60
    while len(job.encoded()) < clips:
        assert time.monotonic() < end
        assert any(rank.is_alive() for rank in job.ranks), job.output.read_text()
        time.sleep(0.005)


def test_killed_at_five_moments_a_job_goes_on_where_it_was(start, whole, tmp_path):
    rng = random.Random(0)
    encoded, kept, ranks_of = [], 0, (1, 2, 3, 1, 2)
    for number, ranks in enumerate(ranks_of):
        job = start(tmp_path, f"killed{number}", ranks, 0.03)
        until(job, 1 + rng.randrange(6))
        time.sleep(rng.random() * 0.1)
        job.kill(signal.SIGKILL)
        job.wait()
        assert not (tmp_path / f"killed{number}" / "results.json").exists()
        in_bank = len(HeadBank(tmp_path / "bank"))
        new = job.encoded()
        assert in_bank >= kept  # nothing of earlier jobs is lost
        assert 0 <= len(new) - (in_bank - kept) <= IN_FLIGHT * ranks  # but for the batches in flight
        encoded += new
        kept = in_bank
    job = start(tmp_path, "last", 2)
    done = job.wait()
    assert done.statuses == [0, 0], done.output
    encoded += job.encoded()
    assert len(job.encoded()) == TOTAL - kept
    assert len(HeadBank(tmp_path / "bank")) == len(set(encoded)) == TOTAL
    assert len(encoded) - TOTAL <= IN_FLIGHT * sum(ranks_of)
    equal(outcome(tmp_path / "last"), whole)


@pytest.mark.parametrize(
    ("number", "ranks"), [(signal.SIGTERM, 1), (signal.SIGUSR1, 1), (signal.SIGTERM, 2)], ids=str
)
def test_told_to_stop_it_says_how_to_go_on(start, whole, tmp_path, number, ranks):
    job = start(tmp_path, "run", ranks, 0.05)
    until(job, 5)
    job.kill(number)
    done = job.wait()
    assert done.statuses == [128 + number] * ranks, done.output
    assert f"Stopped by {number.name}" in done.output
    assert "run the same command again to resume" in done.output
    assert "Traceback" not in done.output
    assert not (tmp_path / "run" / "results.json").exists()
    kept = len(HeadBank(tmp_path / "bank"))
    assert 0 < kept < TOTAL
    assert len(job.encoded()) - kept <= BATCH * ranks  # what was waiting is written before it ends
    again = start(tmp_path, "again", 1)
    assert again.wait().statuses == [0]
    assert len(again.encoded()) == TOTAL - kept
    equal(outcome(tmp_path / "again"), whole)


def test_without_a_bank_it_says_that_nothing_was_kept(start, tmp_path):
    job = start(tmp_path, "run", 1, 0.1, ["bank.dir=null"])
    end = time.monotonic() + 60
    while not job.log.exists() and time.monotonic() < end:
        time.sleep(0.01)
    job.kill(signal.SIGTERM)
    done = job.wait()
    assert done.statuses == [128 + signal.SIGTERM]
    assert "Nothing was saved, since bank.dir is null" in done.output


@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_any_number_of_ranks_gives_the_same(start, whole, tmp_path, ranks):
    job = start(tmp_path, "run", ranks)
    done = job.wait()
    assert done.statuses == [0] * ranks, done.output
    assert len(job.encoded()) == len(set(job.encoded())) == TOTAL
    assert done.output.count("query: 15 of 15 clips") == 1  # all ranks' clips, from one of them
    equal(outcome(tmp_path / "run"), whole)


@pytest.mark.parametrize("victim", [0, 1])
def test_a_rank_that_is_killed_ends_the_other(start, tmp_path, victim):
    job = start(tmp_path, "run", 2, 0.05)
    until(job, 5)
    job.ranks[victim].kill()
    done = job.wait(60)
    assert done.statuses[victim] == -signal.SIGKILL
    assert done.statuses[1 - victim] == 1
    assert f"Rank {1 - victim} stopped because another rank did" in done.output
    assert "Traceback" not in done.output
    assert not (tmp_path / "run" / "results.json").exists()


def test_a_killed_process_that_decodes_ends_the_job_with_a_sentence(start, whole, tmp_path):
    job = start(tmp_path, "run", 1, 0.1, ["data.num_workers=1"])
    until(job, 3)
    (worker,) = named_children(job.ranks[0].pid, "pt_data_worker")
    os.kill(worker, signal.SIGKILL)
    done = job.wait(60)
    assert done.statuses == [1]
    assert "A process that decodes clips was ended" in done.output
    assert "run the same command again to resume" in done.output
    assert "Traceback" not in done.output
    again = start(tmp_path, "again", 1)
    assert again.wait().statuses == [0]
    equal(outcome(tmp_path / "again"), whole)


def named_children(parent, name):
    """Process ids of a process's children that bear a name, as PyTorch gives its workers one."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            own, _, rest = stat.read_text().partition(" (")
            comm, _, fields = rest.rpartition(") ")
            if comm == name and int(fields.split()[1]) == parent:
                found.append(int(own))
    return found
