"""Bytes that each rank hands to all-reduce in a fit, at the shapes of a 7B model.

    python benchmarks/rank_traffic.py --out benchmarks/results/rank_traffic.json

`gather_support` and the voters run as they do on a rank, with an all-reduce that counts and returns its own
tensor, on random head vectors. What is summed has the shape of classes and heads, so that more clips send no
more. Bank look-ups and metrics are not counted.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))

from calm_pl.voters import Calm, CalmGlobal, Sav, gather_support

SHAPES = {"ESC-50": (50, 1024, 128), "AudioSet": (527, 1024, 128)}


class Counter:
    """Stands for a sum over ranks."""

    def __init__(self) -> None:
        self.sent: list[tuple[list[int], str, int]] = []

    def __call__(self, tensor: Tensor) -> Tensor:
        """Count it."""
        kind = str(tensor.dtype).removeprefix("torch.")
        self.sent.append((list(tensor.shape), kind, tensor.numel() * tensor.element_size()))
        return tensor


def measure(classes: int, heads: int, dim: int, clips: int) -> list[dict[str, Any]]:
    """What the support and each voter send."""
    torch.manual_seed(0)
    x_NHD = torch.randn(clips * classes, heads, dim, dtype=torch.bfloat16)
    labels = list(range(classes)) * clips
    rows = []
    count = Counter()
    support = gather_support(x_NHD, labels, list(range(classes)), count)
    rows.append(row("support", count))
    for name, voter in (("sav", Sav()), ("calm_global", CalmGlobal()), ("calm", Calm())):
        began, count = time.perf_counter(), Counter()
        voter.fit_support(support._replace(all_reduce=count))
        rows.append(row(name, count) | {"fit_seconds": round(time.perf_counter() - began, 2)})
    return rows


def row(what: str, count: Counter) -> dict[str, Any]:
    calls = [{"shape": shape, "dtype": kind, "bytes": size} for shape, kind, size in count.sent]
    return {"what": what, "bytes": sum(one["bytes"] for one in calls), "calls": calls}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--clips", type=int, default=1, help="a class")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    report: dict[str, Any] = {
        "date": datetime.date.today().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs",
        "torch": torch.__version__,
        "clips_a_class": args.clips,
        "sets": {},
    }
    for name in args.sets:
        classes, heads, dim = SHAPES[name]
        rows = measure(classes, heads, dim, args.clips)
        report["sets"][name] = {"classes": classes, "heads": heads, "head_dim": dim, "sent": rows}
        print(name, {one["what"]: one["bytes"] for one in rows}, flush=True)
        args.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
