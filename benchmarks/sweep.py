"""Measure the arithmetic of a sweep: fits, votes and metrics of many settings of CALM and CALM-Global.

    python benchmarks/sweep.py --out benchmarks/results/sweep.json

Random vectors of 1,024 heads of 128 dimensions, at the sizes of ESC-50 (1,600 support and 400 query clips,
50 classes, 1,000 settings) and VGGSound (3,090 support clips, 309 classes, one block of settings as
`SweepModule` takes them, and a tenth of the query clips). Each size is a process of its own.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

from process_memory import memory

HEADS, DIM = 1_024, 128
SIZES = {  # support clips, query clips, classes, settings
    "ESC-50": (1_600, 400, 50, 1_000),
    "VGGSound, a tenth of the query": (3_090, 1_545, 309, 56),
}
TEMPERATURES = (0.001, 0.03, 0.1, 1.0, 2.0)
KEPT = (5, 10, 20, 40, 100, 300, 500, None)


def measure(support_clips: int, query_clips: int, classes: int, settings: int, threads: int) -> dict:
    """Return seconds and memory in MiB of one sweep in this process."""
    import torch

    from calm_pl.metrics import MethodMetrics
    from calm_pl.metrics.suite import MetricSizes
    from calm_pl.voters import Calm, CalmGlobal, gather_support
    from calm_pl.voters.many import fit_many, vote_many

    torch.set_num_threads(threads)
    generator = torch.Generator().manual_seed(0)
    label_N = torch.arange(support_clips) % classes
    means_CHD = 0.3 * torch.randn(classes, HEADS, DIM, generator=generator)
    x_NHD = torch.randn(support_clips, HEADS, DIM, generator=generator)
    for n in range(support_clips):
        x_NHD[n] += means_CHD[label_N[n]]
    query_NHD = torch.randn(query_clips, HEADS, DIM, generator=generator)
    truth_N, place_N = torch.arange(query_clips) % classes, torch.arange(query_clips)
    grid = itertools.product((0.0, 5.0), ("softmax", "power"), TEMPERATURES, TEMPERATURES, KEPT)
    voters = [
        voter(tau_p, tau_w=tau_w, top_k=top_k, weight_map=weight_map, shrinkage=shrinkage)
        for shrinkage, weight_map, tau_p, tau_w, top_k in grid
        for voter in (Calm, CalmGlobal)
    ][:settings]
    metrics = MethodMetrics(MetricSizes(classes, query_clips, query_clips))
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    held, start, wall = memory("VmRSS"), time.process_time(), time.perf_counter()
    fit_many(voters, gather_support(x_NHD, label_N.tolist()))
    fitted = time.process_time()
    for voter, decision in zip(voters, vote_many(voters, query_NHD), strict=True):
        metrics.reset()
        probabilities_NC = voter.probabilities(decision.scores_NC)
        metrics.update(decision.winner_N, probabilities_NC, truth_N, place_N, place_N)
        metrics.result()
    end = time.process_time()
    return {
        "settings": settings,
        "fit_cpu_s": round(fitted - start, 2),
        "vote_cpu_s": round(end - fitted, 2),
        "cpu_s": round(end - start, 2),
        "wall_s": round(time.perf_counter() - wall, 2),
        "vectors_mib": round((x_NHD.nbytes + query_NHD.nbytes) / 2**20),
        "mib_above": round(memory("VmHWM") - held),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1, help="of torch (default: %(default)s)")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(*SIZES[args.one], args.threads)))
        return
    import torch

    results = {}
    for name in args.sizes:
        command = [sys.executable, __file__, "--one", name, "--threads", str(args.threads)]
        results[name] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        print(name, results[name], flush=True)
    record = {
        "what": "fits, votes and metrics of a sweep's settings, 1,024 heads of 128",
        "threads": args.threads,
        "date": date.today().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "torch": torch.__version__,
        "results": results,
    }
    args.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
