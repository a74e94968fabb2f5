"""CALM-Auto with and without the model's own answers as a prior, by the command line.

    python benchmarks/zero_shot_prior.py ../shared/data --out benchmarks/results/zero_shot_prior.json

The bundled model; questions list all ten classes. ESC-10: official folds in turn; FSDD: its own test split.
Differences are paired, over clips and draws, with 95 % intervals.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

LAUNCH = Path(__file__).resolve().parents[1] / "launch.py"
METHODS = ("zero_shot", "calm_auto", "calm_auto_zero_shot")
SETS = {
    "ESC-10": ("esc50.yaml", "esc10", ["data.fold=all"]),
    "FSDD": ("fsdd.yaml", "fsdd", []),
}


def results(config: str, root: Path, shots: int, draws: int, work: Path, more: list[str]) -> dict[str, Any]:
    """`results.json` of one job."""
    run = work / f"{config}-{shots}"
    command = [
        *(sys.executable, str(LAUNCH), "fit-free", "--config", config, *more),
        *(f"data.root={root}", f"data.shots={shots}", f"data.draws={draws}", "data.n_options=10"),
        *("model.path=bundled:tiny_lalm", f"methods=[{','.join(METHODS)}]", "callbacks=[run_record]"),
        *(f"run.dir={run}", f"bank.dir={work / 'bank'}", "wandb.mode=disabled", "data.num_workers=0"),
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return json.loads((run / "results.json").read_text())


def main() -> None:
    """Command line: see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path, help="folder with esc10/ and fsdd/")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as work:
        for name, (config, folder, more) in SETS.items():
            for shots in (1, 3, 5, 10):
                root = (args.root / folder).resolve()
                one = results(config, root, shots, args.draws, Path(work), more)
                entry = {method: round(one["methods"][method]["accuracy"], 4) for method in METHODS}
                pair = {"calm_auto", "calm_auto_zero_shot"}
                (gap,) = [d for d in one["differences"] if {d["better"], d["worse"]} == pair]
                sign = 1 if gap["better"] == "calm_auto_zero_shot" else -1
                interval = [sign * value for value in gap["ci95"]]
                entry["gain"] = [round(value, 4) for value in (sign * gap["difference"], *sorted(interval))]
                found[f"{name}|{shots} shots"] = entry
                print(name, shots, entry, flush=True)
    record = {
        "date": datetime.date.today().isoformat(),
        "machine": platform.processor() or platform.machine(),
        "torch": torch.__version__,
        "draws": args.draws,
        "results": found,
    }
    args.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
