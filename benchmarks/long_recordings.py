"""Events found in an hour made of the bundled clips, and the memory that it takes.

    python benchmarks/long_recordings.py --out benchmarks/results/long_recordings.json

Classifiers of eight classes are made by `train` from folds 2 to 5 with the bundled model. The recording has
clips of fold 1, the two other classes too, at random over quiet noise. Two classifiers: of the eight classes,
and of these and a ninth, `background`, of the noise. Abstention is applied to the same sections.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
from process_memory import memory

from calm_pl import load_classifier
from calm_pl.evaluation.recordings import Event, Section, events
from calm_pl.media import load_audio

REPO = Path(__file__).parents[1]
ASSETS = REPO / "calm_pl/assets/esc10"
UNKNOWN = ("helicopter", "sneezing")
BACKGROUND = "background"
RATE, SECONDS, WINDOW, HOP = 16_000, 3_600.0, 5.0, 2.5
NOISE = 1e-3  # -60 dB
THRESHOLDS = (0.0, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


class Truth(NamedTuple):
    """A clip in the recording."""

    start: float
    stop: float
    label: str


def noise(rng: np.random.Generator, length: int) -> np.ndarray:
    """Brownian noise without its slow part, quiet."""
    walk = np.cumsum(rng.standard_normal(length))
    drift = np.convolve(walk, np.ones(400) / 400, "same")
    return (NOISE * (walk - drift) / np.std(walk - drift)).astype(np.float32)


def make_sounds(folder: Path, rows: list[dict[str, str]], rng: np.random.Generator) -> None:
    """Class folders of the support; those with `background` beside those without."""
    for row in rows:
        if row["fold"] != "1" and row["category"] not in UNKNOWN:
            for name in ("eight", "nine"):
                place = folder / name / row["category"]
                place.mkdir(parents=True, exist_ok=True)
                shutil.copy(ASSETS / "audio" / row["filename"], place)
    (folder / "nine" / BACKGROUND).mkdir()
    for n in range(24):
        file = folder / "nine" / BACKGROUND / f"noise{n}.wav"
        soundfile.write(file, noise(rng, round(5 * RATE)), RATE, subtype="FLOAT")


def make_recording(
    path: Path, seconds: float, rows: list[dict[str, str]], rng: np.random.Generator
) -> list[Truth]:
    """Clips of fold 1 in random order, 2.5 to 15 s apart; in each turn every clip once."""
    query = [row for row in rows if row["fold"] == "1"]
    sound = noise(rng, round(seconds * RATE))
    truth: list[Truth] = []
    at, turn = 0.0, []
    while True:
        at += rng.uniform(2.5, 15)
        turn = turn or list(rng.permutation(len(query)))
        row = query[turn.pop()]
        (clip,) = load_audio(ASSETS / "audio" / row["filename"], RATE, 5).windows
        heard = np.flatnonzero(np.abs(clip) > 1e-4)  # ESC-50 pads short clips with silence
        clip = clip[heard[0] : heard[-1] + 1]
        if at + len(clip) / RATE > seconds:
            break
        begin = round(at * RATE)
        sound[begin : begin + len(clip)] += clip
        truth.append(Truth(at, at + len(clip) / RATE, row["category"]))
        at += len(clip) / RATE
    soundfile.write(path, sound, RATE, subtype="FLOAT")
    return truth


def event_f1(found: list[Event], truth: list[Truth], tolerance: float = HOP) -> dict[str, float]:
    """Events whose label is right and whose beginning is within the tolerance, each counted once."""
    left = list(truth)
    hits = 0
    for event in found:
        match = next(
            (t for t in left if t.label == event.label and abs(t.start - event.start) <= tolerance), None
        )
        if match is not None:
            left.remove(match)
            hits += 1
    return f1(hits, len(found), len(truth))


def second_f1(found: list[Event], truth: list[Truth], seconds: float) -> dict[str, float]:
    """Seconds whose middle has the right label."""

    def labels(spans: list[Event] | list[Truth]) -> list[set[str]]:
        at: list[set[str]] = [set() for _ in range(int(seconds))]
        for one in spans:
            for second in range(int(seconds)):
                if one.start <= second + 0.5 < one.stop:
                    at[second].add(one.label)
        return at

    ours, theirs = labels(found), labels(truth)
    hits = sum(len(a & b) for a, b in zip(ours, theirs, strict=True))
    return f1(hits, sum(map(len, ours)), sum(map(len, theirs)))


def f1(hits: int, found: int, true: int) -> dict[str, float]:
    """Precision, recall and their harmonic mean."""
    return {
        "precision": round(hits / max(found, 1), 4),
        "recall": round(hits / true, 4),
        "f1": round(2 * hits / max(found + true, 1), 4),
    }


def with_threshold(sections: list[Section], threshold: float) -> list[Event]:
    """Events of sections that are sure enough, without the background."""
    kept = [one if one.probability >= threshold else one._replace(label=None) for one in sections]
    return [event for event in events(kept) if event.label != BACKGROUND]


def label(run: Path, recording: Path) -> dict[str, Any]:
    """Label a recording in this process; its sections, time, and the most memory that the process had."""
    classifier = load_classifier(run)
    started, cpu = time.perf_counter(), time.process_time()
    sections = list(classifier.label_recording(recording, window=WINDOW, hop=HOP))
    return {
        "sections": sections,
        "seconds": round(time.perf_counter() - started, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "peak_megabytes": round(memory("VmHWM"), 1),
    }


def labelled(run: Path, recording: Path) -> dict[str, Any]:
    """The same in a process of its own, so that its memory is that of labelling alone."""
    command = [sys.executable, __file__, "--label", str(run), str(recording)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> None:
    """Make sounds, train, label, count."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path)
    parser.add_argument("--classifiers", nargs="+", choices=("eight", "nine"), default=("eight", "nine"))
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--label", nargs=2, type=Path, metavar=("RUN", "RECORDING"), help="in this process")
    args = parser.parse_args()
    if args.label:
        print(json.dumps(label(*args.label)))
        return
    if args.out is None:
        parser.error("--out is required")
    rng = np.random.default_rng(0)
    with (ASSETS / "meta/esc50.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    record: dict[str, Any] = json.loads(args.out.read_text()) if args.out.is_file() else {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_sounds(folder, rows, rng)
        make_recording(folder / "short.wav", min(300.0, args.seconds), rows, rng)
        truth = make_recording(folder / "hour.wav", args.seconds, rows, rng)
        known = [one for one in truth if one.label not in UNKNOWN]
        for sounds in args.classifiers:
            command = [
                sys.executable,
                str(REPO / "launch.py"),
                "train",
                sounds,
                "--model",
                "bundled:tiny_lalm",
            ]
            more = (
                "trainer.accelerator=cpu",
                "wandb.mode=disabled",
                r"--groups=^\d-(\d+)-",
                "model.dtype=auto",
            )
            lean = ("callbacks=[run_record,predictions]", "trainer.enable_progress_bar=false")
            subprocess.run([*command, *more, *lean], cwd=folder, check=True, stdout=subprocess.DEVNULL)
            results = json.loads((folder / f"runs/{sounds}/results.json").read_text())
            run = folder / f"runs/{sounds}"
            before = labelled(run, folder / "short.wav")
            found = labelled(run, folder / "hour.wav")
            sections = [Section(*one) for one in found["sections"]]
            record[sounds] = {
                "held_out_accuracy": round(results["methods"]["calm_auto"]["accuracy"], 4),
                "peak_megabytes_short": before["peak_megabytes"],
                "peak_megabytes_long": found["peak_megabytes"],
                "seconds": found["seconds"],
                "cpu_seconds": found["cpu_seconds"],
                "by_threshold": {
                    str(threshold): {
                        "events": event_f1(with_threshold(sections, threshold), known),
                        "seconds": second_f1(with_threshold(sections, threshold), known, args.seconds),
                    }
                    for threshold in THRESHOLDS
                },
            }
            print(sounds, json.dumps(record[sounds], indent=1))
        size = (folder / "hour.wav").stat().st_size
    args.out.write_text(
        json.dumps(
            record
            | {
                "machine": f"{os.cpu_count()} cores, {platform.processor() or platform.machine()}, shared",
                "date": datetime.date.today().isoformat(),
                "recording": {
                    "seconds": args.seconds,
                    "float32_megabytes": round(size / 2**20, 1),
                    "clips": len(truth),
                    "of_unknown_classes": len(truth) - len(known),
                },
                "window": WINDOW,
                "hop": HOP,
                "event_tolerance": HOP,
            },
            indent=2,
        )
        + "\n"
    )


if __name__ == "__main__":
    main()
