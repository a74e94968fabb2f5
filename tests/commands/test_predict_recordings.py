"""`predict --window`: a recording made of the bundled clips, labelled by the bundled model."""

import csv
import io
import json
import shutil

import numpy as np
import pytest
import soundfile
from conftest import LEAN, REPO, command_line

ASSETS = REPO / "calm_pl/assets/esc10"
KNOWN = ("dog", "rain", "rooster", "sea_waves", "chainsaw")
GAP = 5.0


def clips_of():
    with (ASSETS / "meta/esc50.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        label: {
            fold: [
                ASSETS / "audio" / row["filename"]
                for row in rows
                if row["category"] == label and row["fold"] in fold
            ]
            for fold in ("1", "23")
        }
        for label in KNOWN
    }


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """A classifier of folds 2 and 3, a recording of clips of fold 1 with silence between, the truth."""
    folder = tmp_path_factory.mktemp("long")
    for label, files in clips_of().items():
        (folder / "sounds" / label).mkdir(parents=True)
        for path in files["23"][:8]:
            shutil.copy(path, folder / "sounds" / label)
    quick = ("trainer.accelerator=cpu", "trainer.devices=1", "data.num_workers=0", "model.dtype=auto", *LEAN)
    command_line(folder, "train", "sounds", "--model", "bundled:tiny_lalm", "data.cv_folds=2", *quick)
    parts, truth, at = [], [], 0.0
    for label in KNOWN:
        samples, rate = soundfile.read(clips_of()[label]["1"][0], dtype="float32")
        parts += [samples, np.zeros(round(GAP * rate), np.float32)]
        truth.append((at, at + len(samples) / rate, label))
        at += len(samples) / rate + GAP
    soundfile.write(folder / "long.flac", np.concatenate(parts), rate)
    return folder, truth


def test_events_are_where_the_clips_are(job, call):
    folder, truth = job
    args = ("--classifier", folder / "runs/sounds", "--window", 5, "--json", folder / "long.flac")
    done = call("predict", *args)
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)
    hits = 0
    for start, stop, label in truth:
        at = [
            one
            for one in found["events"]
            if one["label"] == label and one["start"] < stop and one["stop"] > start
        ]
        hits += any(min(one["stop"], stop) - max(one["start"], start) > 2 for one in at)
    assert hits >= 4  # of five
    assert found["seconds"] == pytest.approx(50, abs=0.2)
    assert found["silent_seconds"] >= 25  # the gaps; some clips end in silence too
    assert "s are digitally silent and have no label" in done.stderr


def test_every_format_has_the_same_events(job, call):
    folder, _ = job
    common = ("--classifier", folder / "runs/sounds", "--window", 5, "--hop", 5, "--abstain", 0.5)
    args = ("predict", *common, folder / "long.flac")
    (found,) = json.loads(call(*args, "--json").stdout)
    expected = [(one["start"], one["stop"], one["label"]) for one in found["events"]]
    assert expected
    rows = list(csv.DictReader(io.StringIO(call(*args, "--csv").stdout)))
    assert [(float(row["start"]), float(row["stop"]), row["label"]) for row in rows] == expected
    track = [line.split("\t") for line in call(*args, "--audacity").stdout.splitlines()]
    assert [(float(start), float(stop), label) for start, stop, label in track] == expected
    table = call(*args).stdout
    assert all(label in table for _, _, label in expected)
    done = call(*args, "--raven", "--out", "tracks")
    assert f"tracks/long.flac.selections.txt: {len(expected)} events" in done.stdout


def test_a_recording_that_cannot_be_read(job, call, tmp_path):
    folder, _ = job
    (tmp_path / "bad.wav").write_text("no sound")
    args = (
        "predict",
        "--classifier",
        folder / "runs/sounds",
        "--window",
        5,
        "--csv",
        "bad.wav",
        folder / "long.flac",
    )
    assert "bad.wav: is not a sound file" in (stopped := call(*args)).stderr
    assert stopped.returncode == 1
    rows = list(csv.DictReader(io.StringIO(call(*args, "--skip-bad").stdout)))
    assert rows[0]["error"]
    assert len(rows) > 3


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("--hop", 2), "--hop: needs --window"),
        (("--raven",), "--raven: needs --window"),
        (("--window", 5, "--top", 3), "--top: is for whole files"),
        (("--window", 5, "--hop", 6), "--hop: must be above 0 and at most --window, 5, but is 6"),
        (("--window", 60), "The window must be 0.1 to 5 s, what the model hears, but is 60 s"),
        (
            ("--window", 5, "--audacity", "sounds"),
            "--audacity: names no recording, so that several need --out",
        ),
    ],
)
def test_options_that_do_not_go_together(job, call, args, told):
    folder, _ = job
    args = [folder / "sounds" if arg == "sounds" else arg for arg in args]
    done = call("predict", "--classifier", folder / "runs/sounds", *args, folder / "long.flac")
    assert done.returncode == 1
    assert told in done.stderr
