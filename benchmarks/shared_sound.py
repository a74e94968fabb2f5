"""Time several questions about each clip with the sound shared between them, against one pass per question.

    python benchmarks/shared_sound.py --out benchmarks/results/shared_sound.json

24 questions about 10 clips of 10 s of noise, 2.4 per clip as in AudioSet, in batches of 8 in the order of the
data set; a Qwen2-Audio of reduced width with random weights and the real window of 30 s. Both ways alternate
in one process; times are CPU seconds on one thread.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import statistics
import time
from pathlib import Path
from unittest import mock

import numpy as np
import torch
import transformers
from head_extraction import build

from calm_pl.models.checks import relative_drift

LABELS = (1, 2, 3, 2, 4, 1, 2, 3, 2, 4)
BATCH, CLIP_SECONDS = 8, 10
OPTIONS = ("Speech", "Dog", "Rain on surface", "Siren", "Acoustic guitar", "Wind", "Vehicle", "Music")


def main() -> None:
    """Command line: see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    lalm = build("cpu")
    asked = []
    for labels in LABELS:
        wave = rng.standard_normal(CLIP_SECONDS * lalm.preparer.sample_rate).astype(np.float32)
        for _ in range(labels):
            letters = zip("ABCD", rng.choice(OPTIONS, 4, replace=False), strict=True)
            options = " ".join(f"{letter}. {option}" for letter, option in letters)
            asked.append((wave, f"What caption does the given audio belong to? {options}"))
    batches = [
        lalm.preparer(*zip(*asked[start : start + BATCH], strict=True))
        for start in range(0, len(asked), BATCH)
    ]
    prompts: dict[str, int] = {}
    vectors: dict[str, torch.Tensor] = {}
    times: dict[str, list[float]] = {"separate": [], "shared": []}
    tower = lalm.model.model.audio_tower
    for turn in range(args.repeats + 1):
        for name in times:
            heard = []
            handle = tower.register_forward_pre_hook(
                lambda module, given, heard=heard: heard.append(len(given[0]))
            )
            cut = mock.patch("calm_pl.models.lalm.shared_sound", return_value=None)
            start = time.process_time()
            if name == "separate":
                with cut:
                    found = torch.cat([lalm(inputs).vectors_NHD for inputs in batches])
            else:
                found = torch.cat([lalm(inputs).vectors_NHD for inputs in batches])
            if turn:  # the first warms up
                times[name].append(time.process_time() - start)
            handle.remove()
            vectors[name], prompts[name] = found, sum(heard)
    medians = {name: statistics.median(values) for name, values in times.items()}
    record = {
        "date": datetime.date.today().isoformat(),
        "machine": f"{platform.machine()}, 1 thread, cpu",
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "questions": len(asked),
        "clips": len(LABELS),
        "clips_through_the_audio_tower": prompts,
        "cpu_seconds": {name: round(value, 2) for name, value in medians.items()},
        "separate_over_shared": round(medians["separate"] / medians["shared"], 2),
        "largest_drift": float(relative_drift(vectors["shared"], vectors["separate"]).max()),
    }
    print(json.dumps(record, indent=1))
    if args.out:
        args.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
