"""Measure every supported family on a tiny model of its real classes: heads, drift of batching and of sdpa.

    python benchmarks/families.py --out benchmarks/results/families.json

Random weights, three clips of different lengths. `drift` is the largest change of a clip's head vectors, all
heads together, relative to their norm; in float32 unless named. Families whose packages are missing are left
out.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import sys
import tempfile
from pathlib import Path

import torch
import transformers

from calm_pl import FrozenLALM
from calm_pl.models.checks import QUESTIONS, hearing_check, invariance_check, relative_drift, sample_clips

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "models"))


def measure(model_type: str, folder: Path) -> dict:
    """One row of the table."""
    lalm = FrozenLALM.from_pretrained(str(folder), dtype="float32")
    eager = FrozenLALM.from_pretrained(str(folder), dtype="float32", attn="eager")
    half = FrozenLALM.from_pretrained(str(folder), dtype="bfloat16")
    inputs = lalm.preparer(sample_clips(lalm.preparer), QUESTIONS)
    x_NHD = lalm(inputs).vectors_NHD
    drift_N = relative_drift(eager(inputs).vectors_NHD, x_NHD)
    hearing, invariance, rough = hearing_check(lalm), invariance_check(lalm), invariance_check(half)
    return {
        "model_type": model_type,
        "class": type(lalm.model).__name__,
        "modalities": list(lalm.preparer.modalities),
        "tiny_layers_heads_dim": list(lalm.layout),
        "drift_of_batching": invariance.drift,
        "drift_of_batching_bfloat16": rough.drift,
        "changed_predictions": invariance.changed_predictions,
        "drift_of_sdpa": float(drift_N.max()),
        "change_by_silence": hearing.silence_change,
        "change_by_another_clip": hearing.swap_change,
    }


def main() -> None:
    """Command line: see the module's docstring."""
    from tiny_families import BUILDERS

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    rows = []
    for model_type, build in BUILDERS.items():
        with tempfile.TemporaryDirectory() as folder:
            try:
                rows.append(measure(model_type, build(Path(folder) / "model")))
            except ImportError as error:
                print(f"{model_type} is left out: {error}", file=sys.stderr)
    record = {
        "date": datetime.date.today().isoformat(),
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, cpu",
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "rows": rows,
    }
    print(json.dumps(record, indent=2))
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
