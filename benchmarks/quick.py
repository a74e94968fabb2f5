"""Measure small versions of the benchmarks, and name what fell by more than a fifth since they were stored.

    python benchmarks/quick.py            # or: make bench-quick
    python benchmarks/quick.py --store    # after a change that is meant to be slower, or on another machine

Everything is a ratio of CPU seconds in one run, so that a slower or busier machine changes little: arithmetic
against the rate of float32 matrix products, commands against `import torch`, writing to the bank against the
CRC-32 of what is written. Each is the best of three. Ends with status 1 if a ratio fell.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from intervals import Made

from calm_pl import FrozenLALM
from calm_pl.bank import HeadBank, Records
from calm_pl.voters import Calm, CalmAuto, CalmGlobal, Gda, Sav, gather_support
from calm_pl.voters.many import fit_many, vote_many

REPO = Path(__file__).parents[1]
RECORD = Path(__file__).parent / "results" / "quick.json"
FELL = 0.8
REPEATS = 3
DIM = 128


def cpu(call: Callable[[], object]) -> float:
    """Return CPU seconds of one call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def best(call: Callable[[], object]) -> float:
    """Return CPU seconds of the fastest of `REPEATS` calls, after one that does not count."""
    call()
    return min(cpu(call) for _ in range(REPEATS))


def arithmetic() -> dict[str, float]:
    """Fits, votes, a sweep and intervals, as operations of a matrix product in their time, in 10^9."""
    a = torch.randn(1_500, 1_500)
    found = {}

    def enter(name: str, call: Callable[[], object], times: float = 1.0) -> None:
        rate = 2 * 1_500**3 / best(lambda: a @ a)
        found[name] = times * 1e9 / (best(call) * rate)

    for classes, clips in ((50, 256), (309, 64)):
        x_NHD, y_N = made(classes, 2, 512)
        support = gather_support(x_NHD, y_N)
        voters = [Sav(), CalmGlobal(), Calm()]
        enter(f"fit of three methods, {classes} classes", partial(fit_many, voters, support), len(y_N))
        query_NHD = torch.randn(clips, 512, DIM)
        enter(f"votes of three methods, {classes} classes", partial(vote_many, voters, query_NHD), clips)
    x_NHD, y_N = made(50, 8, 128)
    support = gather_support(x_NHD, y_N)
    enter("fit of GDA", lambda: Gda().fit_support(support), len(y_N))
    enter("fit of CALM-Auto", lambda: CalmAuto().fit_support(support), len(y_N))
    grid = itertools.product((0.001, 0.03, 0.1, 1.0, 2.0), (0.001, 0.1, 0.5), (5, 40, 300, None))
    settings = [Calm(tau_p, tau_w=tau_w, top_k=top_k) for tau_p, tau_w, top_k in grid]

    def sweep() -> None:
        fit_many(settings, support)
        vote_many(settings, x_NHD[:100])

    enter("sweep", sweep, len(settings))
    predictions = Made(10_000)
    enter("intervals and differences", predictions.with_intervals)
    return found


def made(classes: int, shots: int, heads: int) -> tuple[torch.Tensor, list[int]]:
    """Return vectors around a mean per class, and labels."""
    generator = torch.Generator().manual_seed(0)
    label = list(range(classes)) * shots
    means_CHD = torch.randn(classes, heads, DIM, generator=generator)
    x_NHD = means_CHD[label] + 2 * torch.randn(len(label), heads, DIM, generator=generator)
    return x_NHD, label


def model() -> dict[str, float]:
    """Three questions about each clip with its sound shared, against one pass per question."""
    lalm = FrozenLALM.from_pretrained("bundled:tiny_lalm", dtype="float32")
    rng = np.random.default_rng(0)
    waves = [rng.standard_normal(4 * lalm.preparer.sample_rate).astype(np.float32) for _ in range(4)]
    asked = [(wave, f"Which sound? A. {word} B. rain") for wave in waves for word in ("dog", "siren", "wind")]
    inputs = lalm.preparer(*zip(*asked, strict=True))
    shared = best(lambda: lalm(inputs))
    with mock.patch("calm_pl.models.lalm.shared_sound", return_value=None):
        separate = best(lambda: lalm(inputs))
    return {"several questions about a clip": separate / shared}


def bank(folder: Path) -> dict[str, float]:
    """Append to a bank, against the CRC-32 of the same bytes; without the system's time, for it varies."""
    x_NHD = torch.randn(16, 1_024, DIM).to(torch.float16)
    block = x_NHD.numpy().tobytes()

    def user(call: Callable[[], object]) -> float:
        start = resource.getrusage(resource.RUSAGE_SELF).ru_utime
        call()
        return resource.getrusage(resource.RUSAGE_SELF).ru_utime - start

    def append(turn: int) -> None:
        with HeadBank(folder / f"bank{turn}") as opened:
            for first in range(0, 512, 16):
                keys = [f"{turn:032x}{first + n:032x}" for n in range(16)]
                opened.append(Records(keys, x_NHD, torch.zeros(16, 4), [{}] * 16))

    plain = min(user(lambda: [zlib.crc32(block) for _ in range(512)]) for _ in range(REPEATS)) / 16
    return {"bank": plain / min(user(partial(append, turn)) for turn in range(REPEATS))}


def commands(folder: Path) -> dict[str, float]:
    """Start commands, against `import torch`."""
    quiet = ("wandb.mode=disabled", "run.dir=run", "trainer.accelerator=cpu", "trainer.devices=1")
    demo = ["fit-free", "--config", "demo.yaml", *quiet]
    lines = {
        "fit-free from the bank": [*demo, "callbacks=[progress,run_record,predictions]"],
        "fit-free with figures and page": demo,
        "fit-free --help": ["fit-free", "--help"],
        "bank info": ["bank", "info", "runs/.bank"],
    }
    launch = str(REPO / "launch.py")
    process(folder, launch, *demo)  # fills the bank
    torch_seconds = min(process(folder, "-c", "import torch") for _ in range(REPEATS))
    return {
        name: torch_seconds / min(process(folder, launch, *words) for _ in range(2))
        for name, words in lines.items()
    }


def process(folder: Path, *words: str) -> float:
    """Return CPU seconds of one Python process.

    Raises:
        RuntimeError: it failed.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    env = {**os.environ, "PYTHONPATH": str(REPO)}
    done = subprocess.run([sys.executable, *words], cwd=folder, env=env, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{words} ended with {done.returncode}:\n{done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def fallen(stored: dict[str, float], found: dict[str, float]) -> list[str]:
    """Return the names of ratios that fell by more than a fifth."""
    return [name for name, value in found.items() if name in stored and value < FELL * stored[name]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", action="store_true", help="make these ratios those to compare with")
    args = parser.parse_args()
    torch.set_num_threads(1)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as temporary:
        found = {**arithmetic(), **model(), **bank(Path(temporary)), **commands(Path(temporary))}
    stored = json.loads(RECORD.read_text())["ratios"] if RECORD.is_file() else {}
    down = [] if args.store else fallen(stored, found)
    print(f"{'ratio':<36} {'stored':>8} {'now':>8}")
    for name, value in found.items():
        mark = "  fell" if name in down else ""
        print(f"{name:<36} {stored.get(name, float('nan')):8.3g} {value:8.3g}{mark}")
    print(f"{time.perf_counter() - start:.0f} s")
    if args.store:
        record = {
            "what": "ratios of `benchmarks/quick.py`; larger is faster",
            "date": date.today().isoformat(),
            "machine": f"{os.cpu_count()} cores, {platform.machine()}",
            "torch": torch.__version__,
            "ratios": {name: round(value, 4) for name, value in found.items()},
        }
        RECORD.write_text(json.dumps(record, indent=1) + "\n")
    if down:
        print(f"Slower by more than a fifth: {', '.join(down)}.")
    return 1 if down else 0


if __name__ == "__main__":
    sys.exit(main())
