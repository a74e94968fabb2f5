"""Kill a job at random moments, run the same command again: what is encoded twice, and are results equal?

    python benchmarks/kill_points.py --folder /scratch --points 20 --out benchmarks/results/kill_points.json

Each point: a job on the bundled model and recordings is killed (SIGKILL, all its ranks), and then goes on,
on one rank or two: at half of the points once the bank holds a random number of records, at the others
while it fits and writes its results, predictions, figures and page. Jobs are this script itself, which
writes down each encoded clip, once its pass is over, and calls the command line. Code, model and
configurations must stay as they are meanwhile.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

LOG = "KILL_POINTS_LOG"
BATCH = 4
REPO = Path(__file__).parents[1]


def command_line() -> int:
    """The command line, with a line a clip in the file that LOG names, before the bank has it."""
    sys.path.insert(0, str(REPO))
    from calm_pl.commands.main import main
    from calm_pl.evaluation import encoding

    encode = encoding.encode

    def counted(lalm: Any, batch: Any, *rest: Any) -> Any:
        encoded = encode(lalm, batch, *rest)
        with open(os.environ[LOG], "a", encoding="utf-8") as file:
            file.write("".join(f"{key}\n" for key in batch.keys))
        return encoded

    encoding.encode = counted
    return main()


def start(folder: Path, run: str, ranks: int, shots: int) -> subprocess.Popen[bytes]:
    """A job in `folder`, with its bank there."""
    settings = (
        *("--config", "demo.yaml", "data.root=bundled:esc10", f"data.shots={shots}", f"run.dir={run}"),
        *("trainer.accelerator=cpu", f"trainer.devices={ranks}", f"data.batch_size={BATCH}"),
        *(
            "data.num_workers=0",
            "wandb.mode=disabled",
            "bank.dir=bank",
            "callbacks=[predictions,run_record,figures,report]",
        ),
    )
    env = {**os.environ, LOG: str(folder / f"{run}.txt"), "OMP_NUM_THREADS": "1"}
    with (folder / f"{run}.err").open("wb") as errors:
        return subprocess.Popen(
            [sys.executable, __file__, "fit-free", *settings],
            cwd=folder,
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )


def finish_from(job: subprocess.Popen[bytes], folder: Path, total: int) -> float:
    """Seconds from the bank's last record to the end of the job."""
    while job.poll() is None and records(folder) < total:
        time.sleep(0.02)
    began = time.perf_counter()
    job.wait()
    return time.perf_counter() - began


def left(run: Path) -> dict[str, Any]:
    """What a killed job left of its results: whole files only, and those of its figures that were drawn."""
    names = sorted(path.name for path in run.iterdir() if path.is_file()) if run.is_dir() else []
    parts = [name for name in names if name.endswith(".part")]
    if "results.json" in names:
        json.loads((run / "results.json").read_text())
    return {
        "left": [name for name in names if name not in parts and not name.startswith(".")],
        "parts": len(parts),
    }


def finish(job: subprocess.Popen[bytes], folder: Path, run: str) -> float:
    began = time.perf_counter()
    if job.wait(timeout=600):
        raise RuntimeError((folder / f"{run}.err").read_text())
    return round(time.perf_counter() - began, 1)


def records(folder: Path) -> int:
    from calm_pl.bank import HeadBank

    return len(HeadBank(folder / "bank"))


def encoded(folder: Path, run: str) -> Counter[str]:
    """How often each clip was encoded in a run."""
    path = folder / f"{run}.txt"
    return Counter(path.read_text().split()) if path.exists() else Counter()


def compare(one: Path, other: Path) -> dict[str, Any]:
    """Whether metrics and labels are equal, and the largest difference of a confidence."""
    results = [json.loads((run / "results.json").read_text())["methods"] for run in (one, other)]
    tables = []
    for run in (one, other):
        with (run / "predictions.csv").open(newline="") as file:
            tables.append(list(csv.DictReader(file)))
    labels, worst = len(tables[0]) == len(tables[1]), 0.0
    for a, b in zip(*tables, strict=False):
        for name in a:
            if name.endswith("confidence"):
                worst = max(worst, abs(float(a[name]) - float(b[name])))
            else:
                labels = labels and a[name] == b[name]
    return {"metrics_equal": results[0] == results[1], "labels_equal": labels, "confidence_change": worst}


def point(
    base: Path, number: int, total: int, seed: int, shots: int, whole: Path, writing: float
) -> dict[str, Any]:
    """One killed job, and the one that goes on.

    Args:
        base: where its folder is made.
        number: of the point.
        total: records of a whole job.
        seed: with `number`, of what is random.
        shots: support clips per class.
        whole: run folder of a whole job.
        writing: seconds that a job takes from its last record to its end; 0 kills it while it encodes.
    """
    rng = random.Random(1_000 * seed + number)
    folder = base / f"point{number}"
    folder.mkdir()
    ranks, ranks_after = rng.choice([1, 2]), rng.choice([1, 2])
    target, jitter = rng.randrange(total), rng.random() * (writing or 0.2)
    if writing:
        target = total
    job = start(folder, "killed", ranks, shots)
    while job.poll() is None and records(folder) < target:
        time.sleep(0.02)
    time.sleep(jitter)
    os.killpg(job.pid, signal.SIGKILL)
    job.wait()
    time.sleep(0.5)  # ranks that Lightning started in the same group end too
    from calm_pl.bank.behind import MOST_PENDING

    kept, before, found = records(folder), encoded(folder, "killed"), left(folder / "killed")
    if (folder / "killed").exists():
        shutil.copytree(folder / "killed", folder / "again")
    seconds = finish(start(folder, "again", ranks_after, shots), folder, "again")
    after = encoded(folder, "again")
    if list((folder / "again").rglob("*.part")):
        raise RuntimeError(f"point {number}: {folder} still has unfinished files")
    row = {
        "ranks": [ranks, ranks_after],
        "killed": "while it wrote" if writing else "while it encoded",
        **found,
        "encoded_before": before.total(),
        "kept": kept,
        "encoded_after": after.total(),
        "encoded_twice": (before & after).total(),
        "in_flight_at_most": BATCH * ranks * (1 + MOST_PENDING),
        "records_after": records(folder),
        "seconds_after": seconds,
        **compare(whole, folder / "again"),
    }
    shutil.rmtree(folder)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", default=tempfile.gettempdir())
    parser.add_argument("--points", type=int, default=20)
    parser.add_argument("--shots", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    sys.path.insert(0, str(REPO))
    import torch

    with tempfile.TemporaryDirectory(dir=args.folder) as temporary:
        base = Path(temporary)
        job = start(base, "whole", 1, args.shots)
        finish(job, base, "whole")
        total = records(base)
        (base / "timed").mkdir()
        job = start(base / "timed", "timed", 1, args.shots)
        began = time.perf_counter()
        writing = finish_from(job, base / "timed", total)
        seconds = round(time.perf_counter() - began, 1)
        report = {
            "date": datetime.date.today().isoformat(),
            "machine": f"{platform.machine()}, {os.cpu_count()} CPUs",
            "torch": torch.__version__,
            "clips": total,
            "batch_size": BATCH,
            "seconds_whole": seconds,
            "seconds_of_writing": round(writing, 1),
            "points": [],
        }
        for number in range(args.points):
            report["points"].append(
                point(base, number, total, args.seed, args.shots, base / "whole", writing * (number % 2))
            )
            print(report["points"][-1], flush=True)
            args.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if LOG in os.environ:
        sys.exit(command_line())
    main()
