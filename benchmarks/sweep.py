"""Measure the arithmetic of a sweep: fits, votes and metrics of many settings of CALM and CALM-Global.

    python benchmarks/sweep.py --out benchmarks/results/sweep.json

Random vectors of 1,024 heads of 128 dimensions, or of fewer in less memory, at the sizes of ESC-50 (1,600
support and 400 query clips, 50 classes, 1,000 settings) and VGGSound (3,090 support clips, 309 classes, one
block of settings as `SweepModule` takes them, and a tenth or all of the 15,446 query clips). Each size is a
process of its own.
VGGSound's vectors are in float16 and in files, as a run has them; the kernel's cache of files is not counted
as memory of the process.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from process_memory import memory

if TYPE_CHECKING:
    import torch

DIM = 128
SIZES = {  # support clips, query clips, classes, settings, on disk
    "ESC-50": (1_600, 400, 50, 1_000, False),
    "VGGSound, a tenth of the query": (3_090, 1_545, 309, 56, True),
    "VGGSound": (3_090, 15_446, 309, 56, True),
}
TEMPERATURES = (0.001, 0.03, 0.1, 1.0, 2.0)
KEPT = (5, 10, 20, 40, 100, 300, 500, None)


class OwnMemory:
    """Peak of this process's memory without mapped files, in MiB, from samples each 20 ms.

    Attributes:
        held: before.
        peak: so far.
    """

    def __enter__(self) -> OwnMemory:
        """Start to watch."""
        self.held = self.peak = memory("RssAnon")
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Stop."""
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.02):
            self.peak = max(self.peak, memory("RssAnon"))


def stored(x_NHD: Iterable[torch.Tensor], shape: tuple[int, int, int], folder: Path | None) -> torch.Tensor:
    """Return clips in memory, or in float16 in a file of a folder."""
    import torch

    if folder is None:
        return torch.stack(list(x_NHD))
    with (folder / str(shape[0])).open("wb") as file:
        for x_HD in x_NHD:
            file.write(x_HD.to(torch.float16).numpy().tobytes())
    size = math.prod(shape)
    return torch.from_file(file.name, shared=True, size=size, dtype=torch.float16).view(shape)


def measure(
    support_clips: int, query_clips: int, classes: int, settings: int, heads: int, folder: Path | None
) -> dict[str, float]:
    """Return seconds and memory in MiB of one sweep in this process, of clips in a folder or in memory."""
    import torch

    from calm_pl.metrics import MethodMetrics
    from calm_pl.metrics.suite import MetricSizes
    from calm_pl.voters import Calm, CalmGlobal, gather_support
    from calm_pl.voters.many import fit_many, vote_many

    generator = torch.Generator().manual_seed(0)
    label_N = torch.arange(support_clips) % classes
    means_CHD = 0.3 * torch.randn(classes, heads, DIM, generator=generator)

    def clips(means: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
        return (mean_HD + torch.randn(heads, DIM, generator=generator) for mean_HD in means)

    x_NHD = stored(clips(means_CHD[c] for c in label_N), (support_clips, heads, DIM), folder)
    query_NHD = stored(clips(torch.zeros(query_clips, 1)), (query_clips, heads, DIM), folder)
    del means_CHD
    truth_N, place_N = torch.arange(query_clips) % classes, torch.arange(query_clips)
    grid = itertools.product((0.0, 5.0), ("softmax", "power"), TEMPERATURES, TEMPERATURES, KEPT)
    voters = [
        voter(tau_p, tau_w=tau_w, top_k=top_k, weight_map=weight_map, shrinkage=shrinkage)
        for shrinkage, weight_map, tau_p, tau_w, top_k in grid
        for voter in (Calm, CalmGlobal)
    ][:settings]
    metrics = MethodMetrics(MetricSizes(classes, query_clips, query_clips))
    start, wall = time.process_time(), time.perf_counter()
    with OwnMemory() as watched:
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
        "mib_above": round(watched.peak - watched.held),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1, help="of torch (default: %(default)s)")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--heads", type=int, default=1_024, help="default: %(default)s")
    parser.add_argument("--settings", type=int, help="at most so many; their number is that of each size")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    import torch

    if args.one:
        torch.set_num_threads(args.threads)
        *sizes, settings, on_disk = SIZES[args.one]
        with tempfile.TemporaryDirectory() as folder:
            some = min(settings, args.settings or settings)
            print(json.dumps(measure(*sizes, some, args.heads, Path(folder) if on_disk else None)))
        return
    given = ["--threads", str(args.threads), "--heads", str(args.heads)]
    given += ["--settings", str(args.settings)] if args.settings else []
    results = {}
    for name in args.sizes:
        command = [sys.executable, __file__, "--one", name, *given]
        results[name] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        print(name, results[name], flush=True)
    record = {
        "what": f"fits, votes and metrics of a sweep's settings, {args.heads:,} heads of 128",
        "threads": args.threads,
        "date": date.today().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "torch": torch.__version__,
        "results": results,
    }
    args.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
