"""Run folders of any size, made without a model."""

import csv
import json

import numpy as np
import soundfile
from safetensors.numpy import save_file

METHODS = ("zero_shot", "sav", "calm")
HOSTILE = (
    "<script>alert(1)</script>",
    "a & b",
    '"quoted"',
    "</script><img src=x onerror=alert(2)>",
    "ünï'cødé",
)


def make_run(
    folder,
    classes=(*HOSTILE, "dog"),
    layers=4,
    per_layer=6,
    clips=4,
    draws=1,
    right=0.6,
    seed=0,
    methods=METHODS,
    config="data:\n  shots: 5\n",
    prefix="clip",
):
    """A folder as `fit-free` leaves it; answers are right with probability `right`."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    header = ["clip", "fold", "draw", "label", "options", "cluster"]
    for method in methods:
        header += [method, f"{method}_confidence"]
    rows, hits = [], {method: [] for method in methods}
    for c, label in enumerate(classes):
        for n in range(clips):
            for draw in range(draws):
                row = [f"{prefix}{c}-{n}.wav", "", str(draw), label, "", str(c * clips + n)]
                for method in methods:
                    hit = rng.random() < right
                    other = classes[(c + 1 + rng.integers(len(classes) - 1)) % len(classes)]
                    hits[method].append(hit)
                    row += [label if hit else other, f"{rng.uniform(0.3, 1):.6f}"]
                rows.append(row)
    with (folder / "predictions.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    total = len(classes) * clips
    results = {
        "benchmark": "made",
        "model": "nothing",
        "classes": list(classes),
        "heads": {"layers": layers, "heads_per_layer": per_layer, "head_dim": 8},
        "methods": {
            method: {
                "accuracy": float(np.mean(hits[method])),
                "macro_f1": 0.5,
                "exact_match": float(np.mean(hits[method])),
                "ci95": {"accuracy": [0.4, 0.8], "macro_f1": [0.3, 0.7], "exact_match": [0.4, 0.8]},
                "n": total,
            }
            for method in methods
        },
        "n_support": 5 * len(classes),
        "n_query": total,
        "n_skipped": 1,
        "n_cut": 0,
        "n_missing": 0,
        "notes": ["made <b>up</b>"],
        "remarks": ["In %, made <b>up</b>."],
        "differences": [
            {
                "better": methods[-1],
                "worse": methods[0],
                "difference": 0.1,
                "ci95": [0.02, 0.2],
                "significant": True,
                "p_mcnemar": 0.03,
            },
        ],
        "seconds": {"total": 1.5},
        "versions": {"calm_pl": "0"},
        "config_hash": "0123456789abcdef",
    }
    (folder / "results.json").write_text(json.dumps(results))
    (folder / "config.yaml").write_text(config)
    (folder / "skipped.csv").write_text("split,clip,reason\nquery,<i>x</i>.wav,contains no samples\n")
    heads = layers * per_layer
    reliability_CH = rng.random((len(classes), heads)).astype(np.float32)
    weights_CH = (reliability_CH / reliability_CH.sum(1, keepdims=True)).astype(np.float32)
    save_file(
        {
            "calm.reliability": reliability_CH,
            "calm.weights": weights_CH,
            "sav.reliability": reliability_CH.mean(0),
            "sav.weights": np.where(np.arange(heads) < 5, np.float32(0.2), np.float32(0)),
        },
        folder / "classifier.safetensors",
    )
    return folder


def make_sounds(folder, run_dir, seconds=1.0):
    """A tone for each clip of a made run; returns files by clip id."""
    folder.mkdir(parents=True, exist_ok=True)
    with (run_dir / "predictions.csv").open(newline="") as file:
        names = {row["clip"] for row in csv.DictReader(file)}
    time = np.arange(int(seconds * 8000)) / 8000
    for number, name in enumerate(sorted(names)):
        soundfile.write(folder / name, 0.4 * np.sin(2 * np.pi * (300 + 20 * number) * time), 8000)
    return {name: folder / name for name in names}
