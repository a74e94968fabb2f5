"""Time in which the model waits for decoded clips, and what is said about it."""

import json

import pytest

from calm_pl.evaluation.waiting import Waiting


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def passed(clock, *batches):
    """A pass of batches: (seconds before, seconds within, whether decoded)."""
    waiting = Waiting(clock)
    waiting.begin()
    for before, within, decoded in batches:
        clock.now += before
        waiting.arrive(decoded)
        clock.now += within
        waiting.leave()
    return waiting


def test_waits_between_decoded_batches_count(clock):
    waiting = passed(clock, (100, 10, True), (2, 10, True), (3, 10, True))
    assert (waiting.waited, waiting.worked) == (5, 30)  # workers start before the first
    assert waiting.share == pytest.approx(5 / 35)


def test_batches_from_the_bank_count_for_nothing(clock):
    waiting = passed(clock, (0, 10, True), (7, 50, False), (9, 50, False))
    assert (waiting.waited, waiting.worked) == (0, 10)
    assert passed(clock, (1, 1, False)).share == 0


def test_a_second_pass_starts_anew(clock):
    waiting = passed(clock, (0, 10, True))
    clock.now += 1_000  # fitting
    waiting.begin()
    clock.now += 5
    waiting.arrive(True)
    assert waiting.waited == 0


@pytest.mark.parametrize(
    ("device", "wait", "work", "told"),
    [("cuda", 4, 30, True), ("cuda", 3, 30, False), ("cuda", 4, 10, False), ("cpu", 20, 30, False)],
)
def test_a_gpu_that_waits_is_told(clock, device, wait, work, told):
    warning = passed(clock, (0, work, True), (wait, 0, True)).warning(device)
    assert (warning is not None) == told
    if told:
        assert warning.startswith("The model waited 4 of 34 s for decoded clips: more decoding processes")


def test_a_run_records_it(call, small_job, tmp_path):
    found = []
    for run in ("first", "second"):
        assert call("fit-free", *small_job, "bank.dir=bank", f"run.dir={run}").returncode == 0
        found.append(json.loads((tmp_path / run / "results.json").read_text())["seconds"])
    assert 0 < found[0]["waited"] < found[0]["support"] + found[0]["query"]
    assert found[1]["waited"] == 0
