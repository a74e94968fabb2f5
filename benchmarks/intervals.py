"""Time intervals and differences of six methods over 50,000 questions and 309 classes.

    python benchmarks/intervals.py --out benchmarks/results/intervals.json

Made predictions of one draw; each clip is a cluster. `plain` is what nobody can do without: accuracy and
Macro-F1 of each method, once. Seconds are CPU seconds; the rate of float32 products tells machines apart.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
from arithmetic import matrix_rate

from calm_pl.metrics import Predicted, jackknife_intervals
from calm_pl.metrics.differences import pairwise_differences
from calm_pl.metrics.intervals import macro_f1

METHODS, QUESTIONS, CLASSES = 6, 50_000, 309


class Made:
    """Predictions of some methods, each right in about 70 % of the questions.

    Args:
        questions: number of questions.
    """

    def __init__(self, questions: int = QUESTIONS) -> None:
        rng = np.random.default_rng(0)
        self.label_Q = rng.integers(CLASSES, size=questions)
        self.clip_Q = np.arange(questions)
        self.fold_Q = np.zeros(questions, dtype=np.int64)
        self.predicted = {
            f"method {m}": np.where(
                rng.random(questions) < 0.7, self.label_Q, rng.integers(CLASSES, size=questions)
            )
            for m in range(METHODS)
        }

    def with_intervals(self) -> None:
        """Compute what `fit-free` reports."""
        for predicted_Q in self.predicted.values():
            one = Predicted(self.label_Q, predicted_Q[:, None], self.clip_Q, self.fold_Q)
            jackknife_intervals(one, CLASSES)
        right = {name: (predicted_Q == self.label_Q)[None] for name, predicted_Q in self.predicted.items()}
        pairwise_differences(right, self.clip_Q)

    def plain(self) -> None:
        """Compute accuracy and Macro-F1 alone."""
        for predicted_Q in self.predicted.values():
            pairs = np.bincount(self.label_Q * CLASSES + predicted_Q, minlength=CLASSES**2)
            macro_f1(pairs.reshape(CLASSES, CLASSES))
            (predicted_Q == self.label_Q).mean()


def seconds(call: Callable[[], None]) -> float:
    """Return CPU seconds of the second call."""
    call()
    start = time.process_time()
    call()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    made = Made()
    record = {
        "what": f"intervals and differences of {METHODS} methods, {QUESTIONS:,} questions, {CLASSES} classes",
        "date": date.today().isoformat(),
        "machine": platform.machine(),
        "cpu_seconds": round(seconds(made.with_intervals), 2),
        "plain_cpu_seconds": round(seconds(made.plain), 3),
        "float32_matrix_gflop_per_s": round(matrix_rate() / 1e9),
    }
    args.out.write_text(json.dumps(record, indent=1) + "\n")
    print(record)


if __name__ == "__main__":
    main()
