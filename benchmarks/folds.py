"""Run `fit-free` for several folds or seeds through the command line; print mean and standard deviation.

    python benchmarks/folds.py --vary data.fold=1,2,3,4,5 --out esc10.json -- --config demo.yaml data.root=...

Each run is one process with its own run folder below --runs.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

LAUNCH = Path(__file__).parents[1] / "launch.py"


def run_once(arguments: list[str], folder: Path) -> dict:
    """Results of one job, with its wall time."""
    start = time.perf_counter()
    command = [sys.executable, str(LAUNCH), "fit-free", *arguments, f"run.dir={folder}"]
    subprocess.run([*command, "run.overwrite=true", "wandb.mode=disabled"], check=True, capture_output=True)
    results = json.loads((folder / "results.json").read_text())
    return {**results, "wall_seconds": round(time.perf_counter() - start, 1)}


def summary(runs: list[dict]) -> dict[str, dict[str, float]]:
    """Mean and standard deviation over runs, by method and metric."""
    table = {}
    for method in runs[0]["methods"]:
        row = {}
        for metric in ("accuracy", "macro_f1"):
            values = [run["methods"][method][metric] for run in runs]
            row[metric] = statistics.mean(values)
            row[f"{metric}_sd"] = statistics.stdev(values) if len(values) > 1 else 0.0
        table[method] = row
    return table


def main() -> None:
    """Command line: see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vary", default="data.fold=1", help="key=value,value,...")
    parser.add_argument("--out", type=Path, help="write a JSON record here")
    parser.add_argument("--runs", type=Path, default=Path("runs/folds"))
    parser.add_argument("arguments", nargs="+", help="after --: arguments of fit-free")
    args = parser.parse_args()
    key, _, values = args.vary.partition("=")
    runs = []
    for value in values.split(","):
        runs.append(run_once([*args.arguments, f"{key}={value}"], args.runs / f"{key}-{value}"))
        print(f"{key}={value}: {runs[-1]['wall_seconds']} s", file=sys.stderr)
    table = summary(runs)
    print(f"{'method':<12} accuracy        Macro-F1")
    for method, row in table.items():
        print(
            f"{method:<12} {100 * row['accuracy']:5.1f} ± {100 * row['accuracy_sd']:4.1f}"
            f"    {100 * row['macro_f1']:5.1f} ± {100 * row['macro_f1_sd']:4.1f}"
        )
    wall = [run["wall_seconds"] for run in runs]
    print(
        f"{len(runs)} runs, {runs[0]['n_support']} support and {runs[0]['n_query']} query clips in the first,"
        f" {statistics.mean(wall):.1f} s a run"
    )
    if args.out:
        record = {
            "date": datetime.date.today().isoformat(),
            "machine": f"{platform.processor() or platform.machine()}, {platform.system()}",
            "arguments": args.arguments,
            "vary": args.vary,
            "summary": table,
            "wall_seconds": wall,
            "versions": runs[0]["versions"],
        }
        args.out.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
