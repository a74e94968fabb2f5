"""Time M rollouts from one prefill against M separate generations, alternating in one process.

    python benchmarks/prefill_sharing.py --out benchmarks/results/prefill_sharing.json

Three ways to the same sampled answers, which is asserted (of tokens that the tokenizer can spell: those of
random weights it mostly cannot): `shared` runs audio and prompt once a clip and
repeats the cache; `separate` runs them anew for each rollout; `repeated` puts each clip M times into one
batch, as `num_return_sequences` does. Two models: the bundled one, and a Qwen2-Audio of reduced width with
random weights and the real window of 30 s, whose answers hardly ever end by themselves.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import statistics
import time
from pathlib import Path

import numpy as np
import torch
import transformers
from head_extraction import QUESTION, build, seconds

from calm_pl import FrozenLALM
from calm_pl.models.rollouts import Draws


def compare(
    lalm: FrozenLALM, clip_seconds: int, clips: int, rollouts: int, tokens: int, repeats: int, device: str
) -> dict:
    """Median times of the three ways."""
    rng = np.random.default_rng(0)
    waves = [0.1 * rng.standard_normal(clip_seconds * 16_000).astype(np.float32) for _ in range(clips)]
    inputs = {k: v.to(device) for k, v in lalm.preparer(waves, [QUESTION] * clips).items()}
    many = {k: v.repeat_interleave(rollouts, 0) for k, v in inputs.items()}
    warm = torch.from_numpy(rng.uniform(1, 2.5, (clips, rollouts)))
    draws = Draws(warm, torch.arange(clips * rollouts).reshape(clips, rollouts) * 7919, 1.0, tokens)
    alone = [
        draws._replace(temperature_NM=draws.temperature_NM[:, m : m + 1], seed_NM=draws.seed_NM[:, m : m + 1])
        for m in range(rollouts)
    ]
    flat = draws._replace(temperature_NM=warm.reshape(-1, 1), seed_NM=draws.seed_NM.reshape(-1, 1))
    said: dict[str, list[str]] = {}

    def shared() -> None:
        said["shared"] = [text for texts in lalm.sample(inputs, draws).answers for text in texts]

    def separate() -> None:
        runs = [lalm.sample(inputs, one).answers for one in alone]
        said["separate"] = [runs[m][n][0] for n in range(clips) for m in range(rollouts)]

    def repeated() -> None:
        said["repeated"] = [texts[0] for texts in lalm.sample(many, flat).answers]

    ways = {"shared": shared, "separate": separate, "repeated": repeated}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(repeats + 1):
        for name, work in ways.items():
            spent = seconds(work, device)
            if turn:  # the first warms up
                times[name].append(spent)
    assert said["shared"] == said["separate"] == said["repeated"]
    prefill = statistics.median(seconds(lambda: lalm(inputs), device) for _ in range(repeats))
    medians = {name: statistics.median(values) for name, values in times.items()}
    return {
        "clip_seconds": clip_seconds,
        "clips": clips,
        "rollouts": rollouts,
        "max_new_tokens": tokens,
        "mean_characters": round(statistics.mean(map(len, said["shared"])), 1),
        "seconds": {name: round(value, 3) for name, value in medians.items()}
        | {"prefill": round(prefill, 3)},
        "separate_over_shared": round(medians["separate"] / medians["shared"], 2),
        "repeated_over_shared": round(medians["repeated"] / medians["shared"], 2),
    }


def main() -> None:
    """Command line: see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument("--rollouts", type=int, default=10)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    start = time.perf_counter()
    models = {
        "bundled:tiny_lalm": FrozenLALM.from_pretrained("bundled:tiny_lalm", dtype="float32").to(args.device),
        "random weights, 30 s window": build(args.device),
    }
    rows = []
    for name, lalm in models.items():
        size = sum(p.numel() for p in lalm.parameters())
        for clip_seconds, tokens in ((5, 4), (5, 16)) if "tiny" in name else ((5, 4), (10, 4)):
            case = compare(lalm, clip_seconds, args.clips, args.rollouts, tokens, args.repeats, args.device)
            rows.append({"model": name, "parameters": size, **case})
            print(json.dumps(rows[-1]), flush=True)
    record = {
        "date": datetime.date.today().isoformat(),
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, {args.device}",
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "seconds": round(time.perf_counter() - start),
        "rows": rows,
    }
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
