"""Record what jobs leave, so that a rebuilding can be shown to change nothing.

    python tests/record_outputs.py before
    (rebuild)
    python tests/record_outputs.py after
    diff -r before after

Each job writes a folder: `predictions.csv`, `sweep.csv` and so on as they are, `results.json` without times
and versions, and a line for each tensor of a classifier or mask with the hash of its bytes.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import shutil
import tempfile
import time
from pathlib import Path

import named_sets
import numpy as np
from conftest import make_esc50, outside
from safetensors import safe_open
from warm_processes import launched

QUIET = (
    "wandb.mode=disabled",
    "trainer.accelerator=cpu",
    "data.num_workers=0",
    "run.dir=run",
    "bank.dir=bank",
)
DEMO = ("fit-free", "--config", "demo.yaml")
TONES = ("fit-free", "data.benchmark=esc50", "data.root=esc", "model.path=./tiny", "data.n_options=3")
EVERY = (
    "methods=[zero_shot,sav,calm_global,calm,calm_auto,gda,nearest_centroid,logistic_regression_hidden,knn]"
)
NAMED = (
    "fit-free",
    "model.path=./tiny",
    "data.shots=3",
    "data.n_options=3",
    "data.draws=2",
    "data.batch_size=2",
)
JOBS = {
    "demo": DEMO,
    "demo_two_ranks": (*DEMO, "trainer.devices=2"),
    "folds_and_draws": (*TONES, "data.shots=4", "data.fold=all", "data.draws=2", EVERY),
    "two_ranks": (*TONES, "data.shots=4", "data.fold=all", "data.draws=2", EVERY, "trainer.devices=2"),
    "several_labels": (*NAMED, "data.benchmark=several", "data.root=several", EVERY),
    "several_labels_two_ranks": (
        *(*NAMED, "data.benchmark=several", "data.root=several", EVERY, "trainer.devices=2"),
    ),
    "spoofing": (
        *("fit-free", "data.benchmark=spoofed", "data.root=spoofed", "model.path=./tiny", "data.n_options=2"),
        *("data.shots=3", EVERY),
    ),
    "released": (*TONES, "data.shots=5", "voter.weight_map=power", "voter.tau_w=2", "voter.top_k=5"),
    "held_out": (*TONES, "data.shots=4", "data.heldout_shots=2", "voter.reliability_split=heldout"),
    "pseudo_labels": (
        *(*TONES, "model.path=bundled:tiny_lalm", "data.shots=4", "data.support_labels=pseudo"),
        *("pseudo.rollouts=6", "pseudo.min_agreement=0.34", "pseudo.rounds=1", "data.draws=2"),
    ),
    "prior": (*TONES, "data.shots=4", "data.draws=2", "methods=[zero_shot,calm_auto,calm_auto_zero_shot]"),
    "oracle": (*TONES, "data.shots=4", "voter.select=oracle", "methods=[calm,calm_global,sav]"),
    "options_only": (*TONES, "data.shots=4", "data.n_options=2", "data.candidates=options"),
    "generated": (*TONES, "data.shots=4", "zero_shot=generate"),
    "sweep": (
        *("sweep", *TONES[1:], "data.shots=4", "sweep.grid.voter.tau_p=[0.03,1.0]", "data.draws=2"),
        *("sweep.grid.voter.top_k=[2,50%,all]", "sweep.grid.data.shots=[2,4]"),
        "methods=[zero_shot,sav,calm_global,calm,gda]",
    ),
    "mask": (
        *("fit-mask", "model.path=./tiny", "task.manifest=clips.csv", "task.root=esc", "task.name=three"),
        *("task.num_workers=0", "task.batch_size=4", "mask.steps=8", "mask.lr=0.5", "mask.warmup=2"),
        *("trainer.accelerator=cpu", "trainer.devices=1", "wandb.mode=disabled", "run.dir=run"),
    ),
    "masked": (*TONES, "data.shots=4", "model.mask=mask/run/mask.safetensors"),
}
KEPT = ("predictions.csv", "sweep.csv", "skipped.csv", "missing.csv", "pseudo_labels.csv", "rejected.csv")
TIMES = ("seconds", "versions", "self_check")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="folder of the record")
    parser.add_argument("--only", nargs="+", choices=JOBS, default=list(JOBS))
    args = parser.parse_args()
    shutil.rmtree(args.out, ignore_errors=True)
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        prepare(work)
        for name in args.only:
            start = time.perf_counter()
            run(work, name, args.out.absolute() / name)
            print(f"{name:<26} {time.perf_counter() - start:6.1f} s", flush=True)


def prepare(work: Path) -> None:
    """Write the sets and the tiny model that the jobs name, all by relative paths."""
    from calm_pl.models.tiny import build_tiny

    make_esc50(work / "esc")
    named_sets.write(work / "several", named_sets.SEVERAL)
    named_sets.write(work / "spoofed", named_sets.SPOOFED)
    build_tiny(work / "tiny", seed=0, window_seconds=2)
    with (
        (work / "esc/meta/esc50.csv").open(newline="") as file,
        (work / "clips.csv").open("w", newline="") as out,
    ):
        rows = csv.writer(out)
        rows.writerow(["file", "answer", "split"])
        for row in csv.DictReader(file):
            split = "validation" if row["fold"] == "1" else "train"
            rows.writerow([f"audio/{row['filename']}", row["category"], split])


def run(work: Path, name: str, out: Path) -> None:
    """Run a job and record what it left."""
    job = JOBS[name]
    more = () if job[0] == "fit-mask" else QUIET
    place = [f"run.dir={name}/run"] + ([] if job[0] == "fit-mask" else ["bank.dir=bank"])
    devices = [] if any("trainer.devices" in word for word in job) else ["trainer.devices=1"]
    done = launched(work, [*job, *more, *devices, *place], {**outside(), "COLUMNS": "80"})
    if done.returncode:
        raise RuntimeError(f"{name} failed:\n{done.stdout}{done.stderr}")
    out.mkdir(parents=True)
    (out / "printed.txt").write_text(done.stdout)
    folder = work / name / "run"
    for kept in KEPT:
        if (folder / kept).is_file():
            shutil.copy(folder / kept, out / kept)
    for file in folder.glob("*.json"):
        content = json.loads(file.read_text())
        kept = {key: value for key, value in content.items() if key not in TIMES}
        (out / file.name).write_text(json.dumps(kept, indent=1))
    for file in ("classifier.safetensors", "mask.safetensors"):
        if (folder / file).is_file():
            (out / f"{file}.txt").write_text("\n".join(tensors(folder / file)) + "\n")


def tensors(path: Path) -> list[str]:
    """A line for each tensor of a file, and one for each entry of its header."""
    with safe_open(path, framework="np") as file:
        lines = [f"{key}: {value}" for key, value in sorted((file.metadata() or {}).items())]
        for key in sorted(file.keys()):
            tensor = np.ascontiguousarray(file.get_tensor(key))
            lines.append(
                f"{key} {tensor.dtype} {tensor.shape} {hashlib.sha256(tensor.tobytes()).hexdigest()}"
            )
    return lines


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    main()
