"""Measure how long voters take to fit, and their memory, over the number of clips, classes and heads.

    python benchmarks/fit_time.py --name after
    python benchmarks/fit_time.py --name after --sizes "VGGSound, 10 shots" --voters gda calm_auto

Random head vectors around a mean per class, heads of 128 dimensions, float32. Each fit is a process of its
own, on one thread; times are CPU seconds, so that other work on the machine counts for little, and memory is
the peak of the process above what it held before the fit. What is not measured keeps its place in the record.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

from process_memory import memory

RECORD = Path(__file__).parent / "results" / "fit_time.json"
DIM = 128
SIZES = {  # clips, classes, heads
    "base": (1_000, 50, 256),
    "2 x clips": (2_000, 50, 256),
    "4 x clips": (4_000, 50, 256),
    "2 x classes": (1_000, 100, 256),
    "4 x classes": (1_000, 200, 256),
    "2 x heads": (1_000, 50, 512),
    "4 x heads": (1_000, 50, 1_024),
    "7B model, 5 shots": (250, 50, 1_024),
    "VGGSound, 10 shots, 256 heads": (3_090, 309, 256),
    "VGGSound, 10 shots": (3_090, 309, 1_024),
    "VGGSound, 20 shots, 64 heads": (6_180, 309, 64),
    "VGGSound, 20 shots, 128 heads": (6_180, 309, 128),
    "VGGSound, 20 shots": (6_180, 309, 1_024),
}
VOTERS = ("sav", "calm", "calm_loo", "calm_select", "gda", "calm_auto")


def made(name: str) -> object:
    """Return an unfitted voter."""
    from calm_pl.voters import Calm, CalmAuto, Gda, Sav

    if name == "calm_loo":
        return Calm(reliability_split="loo")
    if name == "calm_select":
        return Calm(select="loo")
    return {"sav": Sav, "calm": Calm, "gda": Gda, "calm_auto": CalmAuto}[name]()


def fit(name: str, clips: int, classes: int, heads: int) -> dict[str, float]:
    """Fit in this process and return seconds and memory in MiB."""
    import torch

    from calm_pl.voters import gather_support

    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    y_N = torch.arange(clips) % classes
    means_CHD = torch.randn(classes, heads, DIM, generator=generator)
    x_NHD = torch.randn(clips, heads, DIM, generator=generator).mul_(2)
    for n in range(clips):
        x_NHD[n] += means_CHD[y_N[n]]
    # What the first fit of a process loads is not part of how times grow.
    made(name).fit(x_NHD[:8, :4], [0, 1] * 4)
    support = gather_support(x_NHD, y_N.tolist())
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    held = memory("VmRSS")
    start = time.process_time()
    made(name).fit_support(support)
    seconds = time.process_time() - start
    return {
        "cpu_s": round(seconds, 2),
        "mib_above": round(memory("VmHWM") - held),
        "support_mib": round(x_NHD.nbytes / 2**20),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", help="of this measurement in the record, such as 'after'")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--voters", nargs="+", choices=VOTERS, default=list(VOTERS))
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        name, *numbers = args.one
        print(json.dumps(fit(name, *map(int, numbers))))
        return
    import torch

    record = json.loads(RECORD.read_text()) if RECORD.is_file() else {"results": {}}
    mine = record["results"].setdefault(args.name, {"fits": {}})
    mine["date"] = date.today().isoformat()
    mine["machine"] = f"{platform.machine()}, one thread of two shared cores; CPU seconds"
    mine["torch"] = torch.__version__
    for size in args.sizes:
        row = mine["fits"].setdefault(
            size, dict(zip(("clips", "classes", "heads"), SIZES[size], strict=True))
        )
        for voter in args.voters:
            command = [sys.executable, __file__, "--one", voter, *map(str, SIZES[size])]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            row[voter] = json.loads(done.stdout)
            print(f"{size}: {voter} {row[voter]}", flush=True)
            RECORD.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
