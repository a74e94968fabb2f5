"""Time `FrozenLALM` against the bare model: its full window and logits for every token.

    python benchmarks/head_extraction.py --out benchmarks/results/head_extraction.json

A Qwen2-Audio of reduced width with random weights and the real window of 30 s; clips of 5 and 10 s of noise,
alternating between the two ways in one process so that both meet the same machine.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from calm_pl import FrozenLALM
from calm_pl.models.tiny import build_tiny

QUESTION = "What caption does the given audio belong to? A. dog B. rain C. siren D. wind"


def build(device: str) -> FrozenLALM:
    """A model wide enough that arithmetic, not overhead, takes the time."""
    from transformers import Qwen2AudioConfig, Qwen2AudioForConditionalGeneration

    with tempfile.TemporaryDirectory() as folder:
        build_tiny(folder, window_seconds=30)
        small = FrozenLALM.from_pretrained(folder, dtype="float32")
    config = Qwen2AudioConfig.from_dict(small.model.config.to_dict())
    for name, value in {"d_model": 384, "encoder_layers": 6, "encoder_ffn_dim": 1536}.items():
        setattr(config.audio_config, name, value)
    for name, value in {"hidden_size": 512, "intermediate_size": 1408, "num_hidden_layers": 8}.items():
        setattr(config.text_config, name, value)
    config.text_config.vocab_size = 32_000
    config.text_config.layer_types = ["full_attention"] * 8
    torch.manual_seed(0)
    return FrozenLALM(Qwen2AudioForConditionalGeneration(config), small.preparer).to(device)


def seconds(work: Callable[[], object], device: str) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    work()
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def compare(lalm: FrozenLALM, clip_seconds: int, batch: int, repeats: int, device: str) -> dict:
    """Median times of both ways, and how far their logits are apart."""
    rng = np.random.default_rng(0)
    waves = [rng.standard_normal(clip_seconds * 16_000).astype(np.float32) for _ in range(batch)]
    ours = {k: v.to(device) for k, v in lalm.preparer(waves, [QUESTION] * batch).items()}
    processor = lalm.preparer.processor
    text = [lalm.preparer.prompt(QUESTION)] * batch
    full = processor(text=text, audio=waves, sampling_rate=16_000, return_tensors="pt", padding=True)
    full = {k: v.to(device) for k, v in full.items()}

    @torch.inference_mode()
    def bare() -> torch.Tensor:
        return lalm.model(**full).logits[:, -1]

    drift = (lalm(ours).logits_NV - bare()).abs().max().item()
    times: dict[str, list[float]] = {"frozen_lalm": [], "bare": []}
    for _ in range(repeats):
        times["frozen_lalm"].append(seconds(lambda: lalm(ours), device))
        times["bare"].append(seconds(bare, device))
    medians = {name: statistics.median(values) for name, values in times.items()}
    return {
        "clip_seconds": clip_seconds,
        "batch": batch,
        "clips_per_second": {name: round(batch / value, 2) for name, value in medians.items()},
        "ratio": round(medians["bare"] / medians["frozen_lalm"], 2),
        "largest_logit_difference": drift,
    }


def main() -> None:
    """Command line: see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    lalm = build(args.device)
    cases = [(5, 1), (5, 8), (10, 8)]
    rows = [compare(lalm, *case, args.repeats, args.device) for case in cases]
    record = {
        "date": datetime.date.today().isoformat(),
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, {args.device}",
        "torch": torch.__version__,
        "parameters": sum(p.numel() for p in lalm.parameters()),
        "rows": rows,
    }
    print(json.dumps(record, indent=2))
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
