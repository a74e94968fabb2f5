"""Clips of which little is heard are counted and named wherever a job ends, also where the bank has them."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import make_esc50

from calm_pl.report.results import coverage_section
from calm_pl.runs.folder import read_run

RATE = 16_000


@pytest.fixture
def odd_root(tmp_path):
    """The query is fold 1: a silent clip and a short one there; in the support one whose channels cancel, and
    one in 16-bit units."""
    root = make_esc50(tmp_path / "esc", per_cell=1)
    voice = np.sin(np.arange(RATE // 2) / 9)
    for name, samples in (
        ("1-1000-A-0.wav", np.zeros(RATE // 2)),
        ("1-1010-A-10.wav", voice[: RATE // 20]),
        ("2-2000-A-0.wav", np.stack([voice, -voice], 1)),
    ):
        soundfile.write(root / "audio" / name, samples, RATE)
    soundfile.write(root / "audio" / "2-2010-A-10.wav", 2e4 * voice, RATE, subtype="FLOAT")
    return root


def test_a_run_its_page_and_a_run_from_the_bank(call, small_job, odd_root, monkeypatch):
    for turn in range(2):
        ended = call("fit-free", *small_job, f"data.root={odd_root}", f"run.dir={turn}", "bank.dir=bank")
        assert ended.returncode == 0, ended.stderr
        monkeypatch.setattr("calm_pl.media.Decoder.audio", None)  # the second run has no use for it
        assert "padded with silence: 1-1010-A-10.wav (odd_clips.csv)." in " ".join(ended.stdout.split())
        results = json.loads(Path(f"{turn}/results.json").read_text())
        assert (results["n_odd"], results["n_skipped"], results["n_query"]) == (4, 0, 3)
        assert results["odd_sound"] == {"silent": 1, "cancelling": 1, "too_loud": 1, "short": 1}
        assert "1 clip is digitally silent: 1-1000-A-0.wav (odd_clips.csv)." in results["remarks"]
        assert read_run(str(turn)).rows("odd_clips.csv") == [
            ["support", "2-2000-A-0.wav", "dog", "cancelling", f"{odd_root}/audio/2-2000-A-0.wav"],
            ["support", "2-2010-A-10.wav", "rain", "too_loud", f"{odd_root}/audio/2-2010-A-10.wav"],
            ["query", "1-1000-A-0.wav", "dog", "silent", f"{odd_root}/audio/1-1000-A-0.wav"],
            ["query", "1-1010-A-10.wav", "rain", "short", f"{odd_root}/audio/1-1010-A-10.wav"],
        ]
        page = str(coverage_section(read_run(str(turn))))
        assert "with little to hear" in page
        assert "2-2000-A-0.wav" in page
    monkeypatch.undo()
    extracted = call("extract", *small_job, f"data.root={odd_root}", "bank.dir=bank")
    assert "1 clip is silent once the channels are averaged (opposite phase): 2-2000-A-0.wav.\n" in (
        extracted.stdout
    )


def test_predict_says_it_of_a_file(call, small_job, odd_root):
    sound = ("methods=[calm]", "data.n_options=0", f"data.root={odd_root}", "bank.dir=bank")
    call("fit-free", *small_job, *sound)
    silent, whole = (f"{odd_root}/audio/{name}" for name in ("1-1000-A-0.wav", "3-3000-A-0.wav"))
    predict = ("predict", "--classifier", "run/classifier.safetensors", silent, whole)
    rows = list(csv.DictReader(io.StringIO(call(*predict, "--csv").stdout)))
    assert [row["odd"] for row in rows] == ["silent", ""]
    assert [row["odd"] for row in json.loads(call(*predict, "--json").stdout)] == [["silent"], []]
    assert f"{silent}: is digitally silent." in call(*predict).stderr
