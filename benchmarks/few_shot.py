"""Accuracy over shots and draws of the bundled model, beside its controls.

    python benchmarks/few_shot.py esc50 ../shared/data/esc10 --out benchmarks/results/few_shot_esc10.json
    python benchmarks/few_shot.py fsdd ../shared/data/fsdd --out ...          # the official test split
    python benchmarks/few_shot.py fsdd ../shared/data/fsdd --folds 1,2,3,4,5,6 --out ...  # unseen speakers

Every clip is encoded once a model and prompt; draws and folds are arithmetic on its head vectors. Controls:
the same architecture with random weights, and the nearest class mean of the mean-pooled audio tower.
"""

from __future__ import annotations

import argparse
import datetime
import json
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from tqdm import tqdm

from calm_pl import Calm, CalmGlobal, FrozenLALM, Sav
from calm_pl.data import benchmark_class
from calm_pl.data.loading.base import FewShotDataModule
from calm_pl.data.loading.batches import ClipDataset, Collator, MediaRule
from calm_pl.data.questions.clips import Clip
from calm_pl.data.questions.draws import draw_support
from calm_pl.data.questions.prompts import LETTERS, Questioner
from calm_pl.data.questions.rounds import divide
from calm_pl.data.settings import DataSettings


class Encoded(NamedTuple):
    """What a model makes of all clips."""

    row: dict[str, int]
    """Place of each clip id."""
    heads_NHD: torch.Tensor
    tower_N1E: torch.Tensor
    """Mean of the audio tower's output over each clip's tokens."""
    zero_shot_N: list[str]
    """The option chosen by its letter; empty without options."""


class Split(NamedTuple):
    """A division of a data set."""

    classes: tuple[str, ...]
    pool: list[Clip]
    query: list[Clip]


def splits(name: str, root: str, folds: list[int | None], preparer: object) -> tuple[str, list[Split]]:
    """The benchmark's question, and its split for each fold."""
    made = []
    for fold in folds:
        settings = DataSettings(root, fold=fold)
        data = FewShotDataModule(benchmark_class(name)(settings), preparer)
        listing = data.read()
        present = {label for clip in listing.clips for label in clip.labels}
        classes = tuple(label for label in listing.classes if label in present)
        made += [Split(classes, one.pool, one.query) for one in divide(listing, settings)]
    return data.benchmark.question, made


@torch.inference_mode()
def encode(lalm: FrozenLALM, question: str, split: Split, n_options: int, batch: int = 16) -> Encoded:
    """One pass over all clips of a split."""
    clips = sorted([*split.pool, *split.query], key=lambda clip: clip.id)
    ask = Questioner(split.classes, question, n_options, seed=0).ask
    queries = [ask(clip, clip.labels[0]) for clip in clips]
    preparer = lalm.preparer
    data = ClipDataset(queries, MediaRule(preparer.sample_rate, preparer.max_seconds))
    collate = Collator(queries, preparer, torch.tensor([batch]))
    pooled: list[torch.Tensor] = []
    handle = lalm.model.model.audio_tower.register_forward_hook(
        lambda module, args, output: pooled.append(output.last_hidden_state)
    )
    heads, tower, answers = [], [], []
    for start in tqdm(range(0, len(clips), batch), desc=f"{n_options} options", file=sys.stderr):
        one = collate([data[i] for i in range(start, min(start + batch, len(clips)))])
        (inputs, _), *_ = one.passes
        output = lalm(inputs)
        heads.append(output.vectors_NHD)
        tokens_N = (inputs["input_ids"] == preparer.processor.audio_token_id).sum(-1).tolist()
        tower += [x[:n].mean(0) for x, n in zip(pooled.pop(), tokens_N, strict=True)]
        if n_options:
            ids = [preparer.option_tokens(letter) for letter in LETTERS[: one.options_NO.shape[1]]]
            scores_NO = torch.stack([output.logits_NV[:, i].logsumexp(-1) for i in ids], -1)
            chosen_N = one.options_NO.gather(1, scores_NO.argmax(-1, keepdim=True))[:, 0]
            answers += [split.classes[c] for c in chosen_N.tolist()]
    handle.remove()
    row = {clip.id: i for i, clip in enumerate(clips)}
    return Encoded(row, torch.cat(heads), torch.stack(tower)[:, None], answers)


def accuracies(encoded: Encoded, split: Split, shots: int, draw: int) -> dict[str, float]:
    """Accuracy of each method for one fold and draw."""
    drawn = draw_support(split.pool, split.classes, shots, seed=draw).support
    sides = ([one.clip for one in drawn], split.query)
    rows = [[encoded.row[clip.id] for clip in clips] for clips in sides]
    labels = [[clip.labels[0] for clip in clips] for clips in sides]
    methods = {
        "sav": (Sav(), encoded.heads_NHD),
        "calm_global": (CalmGlobal(), encoded.heads_NHD),
        "calm": (Calm(), encoded.heads_NHD),
        "tower_mean": (Sav(top_k=1), encoded.tower_N1E),  # one head: the nearest class mean
    }
    return {
        name: voter.fit(x[rows[0]], labels[0]).score(x[rows[1]], labels[1])
        for name, (voter, x) in methods.items()
    }


def curves(encoded: Encoded, folds: list[Split], shots: list[int], draws: int) -> dict[str, dict]:
    """Mean and standard deviation over draws of the accuracy over all folds, by method and shots."""
    table: dict[str, dict] = {}
    for count in shots:
        each = [
            [accuracies(encoded, split, count, draw) for split in folds]
            for draw in tqdm(range(draws), desc=f"{count} shots", file=sys.stderr)
        ]
        for method in each[0][0]:
            means = [statistics.mean(fold[method] for fold in draw) for draw in each]
            sd = statistics.stdev(means) if len(means) > 1 else 0.0
            table.setdefault(method, {})[str(count)] = [round(statistics.mean(means), 4), round(sd, 4)]
    return table


def zero_shot(encoded: Encoded, folds: list[Split]) -> float:
    """Accuracy over the query clips of all folds."""
    query = [clip for split in folds for clip in split.query]
    right = [encoded.zero_shot_N[encoded.row[clip.id]] == clip.labels[0] for clip in query]
    return round(float(np.mean(right)), 4)


def random_twin(lalm: FrozenLALM, seed: int) -> FrozenLALM:
    """The same architecture and processor with random weights."""
    torch.manual_seed(seed)
    return FrozenLALM(type(lalm.model)(lalm.model.config), lalm.preparer)


def models(path: str, seeds: int) -> Iterator[tuple[str, FrozenLALM]]:
    """The model, then its random twins."""
    lalm = FrozenLALM.from_pretrained(path, dtype="float32")
    yield "model", lalm
    for seed in range(seeds):
        yield f"random_{seed}", random_twin(lalm, seed)


def main() -> None:
    """Command line: see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("benchmark")
    parser.add_argument("root")
    parser.add_argument("--model", default="bundled:tiny_lalm")
    parser.add_argument("--folds", default="", help="1,2,...; the benchmark's default where empty")
    parser.add_argument("--shots", default="1,5,10,20")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--options", default="4,0", help="options in the question; 0 for none")
    parser.add_argument("--random-seeds", type=int, default=1, help="random-weight controls")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    default = [1, 2, 3, 4, 5] if args.benchmark == "esc50" else [None]
    folds = [int(f) for f in args.folds.split(",")] if args.folds else default
    shots = [int(s) for s in args.shots.split(",")]
    record: dict = {
        "date": datetime.date.today().isoformat(),
        "torch": torch.__version__,
        "benchmark": args.benchmark,
        "folds": folds,
        "draws": args.draws,
    }
    for name, lalm in models(args.model, args.random_seeds):
        question, parts = splits(args.benchmark, args.root, folds, lalm.preparer)
        for options in map(int, args.options.split(",")):
            start = time.perf_counter()
            encoded = encode(lalm, question, parts[0], options)
            entry: dict = {"encode_seconds": round(time.perf_counter() - start, 1)}
            if options:
                entry["zero_shot"] = zero_shot(encoded, parts)
            entry["few_shot"] = curves(encoded, parts, shots, args.draws)
            record[f"{name}_{options}_options"] = entry
            print(f"{name}, {options} options: {json.dumps(entry)}", flush=True)
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
