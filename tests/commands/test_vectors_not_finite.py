"""A clip of which the model gives no finite vectors is a bad clip: named, skipped if asked, never cached."""

import csv
import json

import pytest
import torch

from calm_pl.bank import HeadBank
from calm_pl.evaluation import encoding

MODEL = encoding.encode
BAD = "1-1000-A-0.wav"  # of the query


@pytest.fixture
def spoil(monkeypatch):
    """Let the model give NaN for one clip, as often as it is asked; returns how often that was."""
    encode, asked = MODEL, []

    def spoilt(lalm, batch, *how):
        found = encode(lalm, batch, *how)
        for n, note in enumerate(batch.notes):
            if note["id"] == BAD:
                asked.append(len(batch.notes))
                found.vectors_NHD[n, 3, 1] = torch.inf
        return found

    monkeypatch.setattr(encoding, "encode", spoilt)
    return asked


def job(call, small_job, *args):
    return call("fit-free", *small_job, "bank.dir=bank", "data.batch_size=4", "model.self_check=false", *args)


def test_it_stops_the_job_and_is_named(call, small_job, spoil, tmp_path):
    result = job(call, small_job)
    assert result.returncode == 1
    assert f"{BAD}: the model's head vectors are not finite" in result.stderr
    assert "data.on_bad_clip=skip" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "run" / "results.json").exists()


def test_it_is_skipped_and_never_cached(call, small_job, spoil, tmp_path):
    skip = ("data.on_bad_clip=skip", "data.max_skipped_fraction=0.2")
    for asked in (1, 2):
        result = job(call, small_job, *skip)
        assert result.returncode == 0, result.stderr
        assert len(spoil) == asked
        results = json.loads((tmp_path / "run" / "results.json").read_text())
        assert (results["n_query"], results["n_skipped"]) == (8, 1)
        with (tmp_path / "run" / "skipped.csv").open(newline="") as file:
            (row,) = csv.DictReader(file)
        assert row["clip"] == BAD
        assert "not finite" in row["reason"]
        with HeadBank(tmp_path / "bank") as bank:
            assert len(bank) == 20
    assert spoil[-1] == 1  # everything else came from the bank


@pytest.mark.parametrize("still_bad", [False, True])
def test_what_an_earlier_version_cached_is_encoded_again(
    call, small_job, spoil, tmp_path, monkeypatch, caplog, still_bad
):
    with monkeypatch.context() as earlier:
        earlier.setattr(encoding, "without_bad", lambda batch, encoded: encoded)
        earlier.setattr(HeadBank, "_refuse_not_finite", lambda *_: None)
        result = job(call, small_job, "methods=[zero_shot]")  # voters refuse such vectors
        assert result.returncode == 0, result.stderr
    assert len(spoil) == 1
    checked = call("bank", "verify", "bank")
    assert "1 records fail their checksum or are not finite" in checked.stdout
    if not still_bad:
        monkeypatch.setattr(encoding, "encode", MODEL)
    skip = ("data.on_bad_clip=skip", "data.max_skipped_fraction=0.2")
    result = job(call, small_job, *skip, "run.overwrite=true")
    assert result.returncode == 0, result.stderr
    assert "hold values that are not finite and count as absent" in caplog.text
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["n_skipped"] == still_bad
    assert len(spoil) == 1 + still_bad
