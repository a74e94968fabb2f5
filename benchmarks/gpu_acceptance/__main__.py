"""Show on one GPU, item by item, that what was written without one works there: a table and a record.

    python benchmarks/gpu_acceptance --out benchmarks/results/gpu_acceptance.json

Random weights of the real configuration of Qwen2-Audio-7B (`--family qwen2_5_omni`: the thinker of
Qwen2.5-Omni-7B), 17 GB, are saved under released names and loaded as a checkpoint. Each line passes, fails,
or is only measured ("-"). `--size small` takes a shrunken model, also on a CPU, as a test does.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parents[1])]

import jobs  # noqa: E402
import loading  # noqa: E402
import speed  # noqa: E402
import torch  # noqa: E402
from items import Bench  # noqa: E402

TOPICS = {
    "machine": (loading.machine, loading.load),
    "self-checks": (loading.self_checks, loading.faults_are_caught, loading.float32),
    "speed": (speed.rates, speed.batch_sizes, speed.overlap, speed.writing, speed.memory_runs_out),
    "jobs": (jobs.every_method, jobs.predict, jobs.fit_mask, jobs.votes),
    "ranks": (jobs.one_rank, jobs.several_gpus),
}
_NEEDED_GIGABYTES = 20


def main() -> int:
    """Command line: see the module's docstring. The status is 1 where an item failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--size", choices=("full", "small"), default="full")
    parser.add_argument("--family", choices=("qwen2_audio", "qwen2_5_omni"), default="qwen2_audio")
    parser.add_argument("--topics", nargs="*", choices=TOPICS, default=list(TOPICS), metavar="TOPIC")
    parser.add_argument("--out", type=Path, help="JSON file of the record")
    args = parser.parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        parser.error("no GPU that PyTorch can use; --device cpu --size small shows what would be looked at")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(args.device, args.size == "full", Path(folder), args.family)
        if bench.full and loading.free_space(bench.folder) < _NEEDED_GIGABYTES:
            parser.error(f"{folder} needs {_NEEDED_GIGABYTES} GB of free space; TMPDIR names another folder")
        for topic in ["machine", *(one for one in args.topics if one != "machine")]:
            print(f"\n{topic}")
            begun = time.perf_counter()
            for check in TOPICS[topic]:
                bench.look(topic, check)
            seconds[topic] = round(time.perf_counter() - begun, 1)
    found = [one for some in bench.items.values() for one in some]
    failed = [one.name for one in found if one.passed is False]
    passed = sum(one.passed is True for one in found)
    print(f"\n{passed} passed, {len(failed)} failed, {len(found) - passed - len(failed)} not judged")
    print(", ".join(f"{topic} {value:.0f} s" for topic, value in seconds.items()))
    record = {
        "date": datetime.date.today().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs",
        "device": args.device,
        "size": args.size,
        "family": args.family,
        "seconds": seconds,
        "failed": failed,
        "items": {topic: [one._asdict() for one in some] for topic, some in bench.items.items()},
    }
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(record, indent=2) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
