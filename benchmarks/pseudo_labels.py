"""Methods on pseudo-labels beside those on true ones, with the bundled model on ESC-10 and FSDD.

    python benchmarks/pseudo_labels.py --esc10 DIR --fsdd DIR --out benchmarks/results/pseudo_labels.json

Runs `fit-free data.support_labels=pseudo` as a user does: ESC-10 over its five folds with 20 shots, FSDD's
official split with 10 shots and five draws; other thresholds, self-training, and every class as an option.
Clips are encoded and answers sampled once, in the bank.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import io
import json
import platform
import tempfile
import time
from pathlib import Path

from calm_pl.commands.main import main as command_line

SETS = {
    "esc10": ("--config", "esc50.yaml", "data.fold=all", "data.shots=20"),
    "fsdd": ("--config", "fsdd.yaml", "data.shots=10", "data.draws=5"),
}
CASES = {
    "as in the paper": (),
    "agreement of 0.3": ("pseudo.min_agreement=0.3",),
    "agreement of 0.7": ("pseudo.min_agreement=0.7",),
    "agreement of 0.9": ("pseudo.min_agreement=0.9",),
    "self-training once, posterior 0.5": ("pseudo.rounds=1", "pseudo.min_posterior=0.5"),
    "self-training once, posterior 0.8": ("pseudo.rounds=1", "pseudo.min_posterior=0.8"),
    "self-training 3 times, posterior 0.5": ("pseudo.rounds=3", "pseudo.min_posterior=0.5"),
    "self-training 3 times, posterior 0.8": ("pseudo.rounds=3", "pseudo.min_posterior=0.8"),
    "top-p 0.9": ("pseudo.top_p=0.9",),
    "all ten classes as options": ("data.n_options=10",),
}
_FIXED = (
    *("model.path=bundled:tiny_lalm", "model.dtype=float32", "trainer.accelerator=cpu", "trainer.devices=1"),
    *("wandb.mode=disabled", "callbacks=[run_record]", "data.support_labels=pseudo"),
)


def run(root: Path, name: str, overrides: tuple[str, ...], bank: Path) -> dict:
    """One job's accuracies and what its labels were worth, means over folds or draws."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        places = (f"data.root={root}", f"bank.dir={bank}", f"run.dir={folder}")
        status = command_line(["fit-free", *SETS[name], *_FIXED, *places, *overrides])
        assert status == 0, (name, overrides)
        results = json.loads((Path(folder) / "results.json").read_text())
    labels = results["pseudo_labels"]
    rounds = labels["rounds"]
    kept = sum(one["kept"] for one in rounds)
    return {
        "accuracy": {
            method: {
                "mean": one["accuracy"],
                "sd": next(sd for sd in one["sd"]["accuracy"].values() if sd is not None),
                "ci95": one["ci95"]["accuracy"],
            }
            for method, one in results["methods"].items()
        },
        "kept": round(kept / sum(one["n"] for one in rounds), 4),
        "labels_right": round(sum(one["kept"] * one["accuracy"] for one in rounds) / kept, 4),
        "rounds_lacking_a_class": sum(bool(one["classes_without_label"]) for one in rounds),
        "rounds": len(rounds),
        "unparsed_rollouts": labels["unparsed_rollouts"],
        "versions": results["versions"],
    }


def main() -> None:
    """Command line: see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--esc10", type=Path, required=True)
    parser.add_argument("--fsdd", type=Path, required=True)
    parser.add_argument("--bank", type=Path, help="keep head vectors and answers here")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    start = time.perf_counter()
    record: dict = {
        "date": datetime.date.today().isoformat(),
        "machine": f"{platform.machine()}, cpu",
        "sets": {},
    }
    with tempfile.TemporaryDirectory() as folder:
        for name in SETS:
            cases = record["sets"][name] = {}
            for case, overrides in CASES.items():
                cases[case] = run(getattr(args, name), name, overrides, args.bank or Path(folder))
                record["versions"] = cases[case].pop("versions")
                print(name, case, json.dumps(cases[case]), flush=True)
                record["seconds"] = round(time.perf_counter() - start)
                if args.out:
                    args.out.parent.mkdir(parents=True, exist_ok=True)
                    args.out.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
