"""Measure how long it takes to tell which model a checkpoint is: its files, and its weights once loaded.

    python benchmarks/identity.py [--gigabytes 2]

Files are read from the page cache, so that hashing is measured and not the disk.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from datetime import date
from pathlib import Path

import torch
from torch import nn

from calm_pl.file_hashes import FileHashes
from calm_pl.models.checkpoint_files import content_of
from calm_pl.models.identity import weights_fingerprint

RECORD = Path(__file__).parent / "results" / "identity.json"
SHARDS = 4
MODEL_GB = 16


def seconds_of(function, *args) -> float:
    """Return the seconds of a second call; the first warms caches."""
    function(*args)
    start = time.perf_counter()
    function(*args)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=2)
    args = parser.parse_args()
    rows: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for shard in range(SHARDS):
            content = os.urandom(int(args.gigabytes * 1e9 / SHARDS))
            Path(temporary, f"model-{shard}.safetensors").write_bytes(content)
        # Files this young are not remembered, so that the second call reads them again.
        hashes = FileHashes(Path(temporary, ".hashes"), settle_seconds=float("inf"))
        rows["SHA-256 of all files"] = seconds_of(content_of, Path(temporary), hashes)
        known = FileHashes(Path(temporary, ".hashes"), settle_seconds=0.0)
        rows["files whose hashes are remembered"] = seconds_of(content_of, Path(temporary), known)
    model = nn.Module()
    side = int((args.gigabytes * 1e9 / 2 / SHARDS) ** 0.5)
    for shard in range(SHARDS):
        weight = torch.randn(side, side).to(torch.bfloat16)
        model.register_parameter(f"weight{shard}", nn.Parameter(weight, requires_grad=False))
    rows["fingerprint of loaded bfloat16 weights"] = seconds_of(weights_fingerprint, model)
    rows["the same whatever the dtype, for masks"] = seconds_of(weights_fingerprint, model, True)
    found = {
        name: {
            "seconds": round(value, 4),
            f"seconds at {MODEL_GB} GB": round(value / args.gigabytes * MODEL_GB, 2),
        }
        for name, value in rows.items()
    }
    for name, row in found.items():
        print(f"{name:<42} {row}")
    record = {
        "date": date.today().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, torch {torch.__version__}",
        "gigabytes": args.gigabytes,
        "rows": found,
    }
    RECORD.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
