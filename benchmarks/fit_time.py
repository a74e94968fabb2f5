"""Measure how long voters take to fit on random head vectors: `python benchmarks/fit_time.py --repeats 3`.

The size is that of a 7B model's vectors.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from datetime import date
from pathlib import Path

import torch

from calm_pl.voters import Calm, CalmAuto, CalmGlobal, Gda, Sav

RECORD = Path(__file__).parent / "results" / "fit_time.json"
CLASSES, SHOTS, HEADS, DIM = 50, 5, 1024, 128
VOTERS = {"sav": Sav, "calm_global": CalmGlobal, "calm": Calm, "gda": Gda, "calm_auto": CalmAuto}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    labels = list(range(CLASSES)) * SHOTS
    # A shared mean per class, so that held-out clips can be classified at all.
    means_CHD = torch.randn(CLASSES, HEADS, DIM)
    x_NHD = means_CHD[labels] + 2 * torch.randn(len(labels), HEADS, DIM)
    seconds = {}
    for name, voter in VOTERS.items():
        runs = []
        for _ in range(args.repeats):
            start = time.perf_counter()
            voter().fit(x_NHD, labels)
            runs.append(round(time.perf_counter() - start, 2))
        seconds[name] = sorted(runs)
        print(f"{name}: {seconds[name]} s", flush=True)
    record = {
        "date": date.today().isoformat(),
        "machine": f"{platform.machine()}, one thread of two shared cores, other jobs running: upper bounds",
        "torch": torch.__version__,
        "shape": {"classes": CLASSES, "shots": SHOTS, "heads": HEADS, "head_dim": DIM},
        "fit_seconds": seconds,
    }
    RECORD.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
