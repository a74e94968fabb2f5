"""The audio tower as the control of methods on heads, related work, and GDA on the query as a whole.

    python benchmarks/control_rows.py ../shared/data --cache vectors --out benchmarks/results/x.json

Sets, divisions, draws and intervals are those of `methods.py`; clips are encoded once a model and kept in the
cache. `tower` compares methods on heads with the same and simpler ones on pooled states of the audio tower.
`transductive` compares `gda_transductive` with GDA on four kinds of query: the fold as it is, a skewed one
(Dirichlet with 0.5, up to 60 clips), one of two classes, and ten clips; the interval of the first is over
clips and draws, that of the others over draws. Sets with several labels per clip choose among four options,
and have no transductive rows. What the record has already is not computed again.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from method_sets import Encoded, also_of, encoded
from methods import SET_OF, answer, query_rows, rounded, support_rows
from tqdm import tqdm

from calm_pl import Calm, CalmAuto, FrozenLALM, Gda
from calm_pl.evaluation.transductive import together
from calm_pl.metrics import estimate, paired_difference
from calm_pl.models.tiny import build_tiny
from calm_pl.voters import CalmAutoWithTower, Comparison, GdaWithTower, HeadGda, TowerGda, gather_support

MAX_QUERIES = {"fsdd_unseen": 100, "spoof": 400}
"""Queries of each fold, the same ones always, drawn by a fixed seed."""
METHODS: dict[str, tuple[str, Callable[[], Any]]] = {
    "calm": ("heads", Calm),
    "head_gda": ("heads", HeadGda),
    "tip_adapter": ("heads", lambda: Comparison("tip_adapter")),
    "knn": ("heads", lambda: Comparison("knn")),
    "gda": ("heads", Gda),
    "calm_auto": ("heads", CalmAuto),
    "nearest_centroid_tower": ("tower", lambda: Comparison("nearest_centroid", "tower")),
    "knn_tower": ("tower", lambda: Comparison("knn", "tower")),
    "tip_adapter_tower": ("tower", lambda: Comparison("tip_adapter", "tower")),
    "gda_tower": ("tower", TowerGda),
    "gda_with_tower": ("both", GdaWithTower),
    "calm_auto_with_tower": ("both", CalmAutoWithTower),
}
PAIRS = (
    ("calm", "nearest_centroid_tower"),
    ("head_gda", "nearest_centroid_tower"),
    ("gda", "gda_tower"),
    ("calm_auto", "gda_tower"),
    ("gda_with_tower", "gda"),
    ("gda_with_tower", "gda_tower"),
    ("calm_auto_with_tower", "calm_auto"),
)
KINDS = ("fair", "skewed", "two classes", "ten clips")


def features(data: Encoded) -> dict[str, torch.Tensor]:
    """Return what methods read from each clip."""
    heads, tower = data.heads_NHD, data.tower_N2E
    pieces = torch.nn.functional.pad(tower, (0, -tower.shape[2] % heads.shape[2]))
    pieces = pieces.reshape(len(tower), -1, heads.shape[2])
    return {"heads": heads, "tower": tower, "both": torch.cat([heads, pieces], 1)}


def rounds(
    data: Encoded, part: str, shots: int, draws: int
) -> Iterator[tuple[int, torch.Tensor, torch.Tensor]]:
    """Draw, support rows and query rows of each fold and draw."""
    fold_N = data.parts[part]
    folds = [fold for fold in fold_N.unique().tolist() if fold > 0]
    for draw in range(draws):
        for fold in folds:
            support = support_rows(data.label_N, fold_N != fold, shots, 1000 * draw + fold)
            yield draw, support, query_rows(fold_N, fold, MAX_QUERIES.get(part))


def tower_entry(data: Encoded, part: str, shots: int, draws: int) -> dict[str, Any]:
    """Accuracies, paired differences and fitting times of all methods."""
    read, also_NC = features(data), also_of(data)
    right: dict[str, list[list[torch.Tensor]]] = {name: [[] for _ in range(draws)] for name in METHODS}
    seconds = dict.fromkeys(METHODS, 0.0)
    for draw, support, query in rounds(data, part, shots, draws):
        y = data.label_N[support]
        also_nC = None if also_NC is None else also_NC[support]
        supports = {kind: gather_support(x[support], y, also_NC=also_nC) for kind, x in read.items()}
        for name, (kind, make) in METHODS.items():
            start = time.process_time()
            method = make().fit_support(supports[kind])
            seconds[name] += time.process_time() - start
            winner_N, _ = answer(method, read[kind][query], data.allowed_NC[query])
            right[name][draw].append(winner_N == data.label_N[query])
    rows = torch.cat([query for draw, _, query in rounds(data, part, shots, 1)])
    cluster_N = data.cluster_N[rows].numpy()
    right_RN = {n: torch.stack([torch.cat(one) for one in r]).double().numpy() for n, r in right.items()}
    fits = draws * len([fold for fold in data.parts[part].unique().tolist() if fold > 0])
    return {
        "accuracy": {name: rounded(estimate(values, cluster_N)) for name, values in right_RN.items()},
        "differences": {
            f"{one} - {other}": rounded(paired_difference(right_RN[one], right_RN[other], cluster_N))
            for one, other in PAIRS
        },
        "fit_cpu_ms": {name: round(1000 * value / fits, 1) for name, value in seconds.items()},
    }


def some_of(kind: str, query: torch.Tensor, label_N: torch.Tensor, seed: int) -> torch.Tensor:
    """A query of one kind."""
    rng = np.random.default_rng(seed)
    classes = label_N.unique().tolist()
    if kind == "ten clips":
        return query[torch.from_numpy(rng.permutation(len(query))[:10])]
    if kind == "two classes":
        chosen = torch.tensor(rng.choice(classes, 2, replace=False))
        return query[torch.isin(label_N[query], chosen)]
    if kind == "skewed":
        counts = (rng.dirichlet(np.full(len(classes), 0.5)) * min(len(query), 60)).round().astype(int)
        of_class = [query[label_N[query] == c] for c in classes]
        parts = [
            rows[torch.from_numpy(rng.permutation(len(rows))[:n])]
            for rows, n in zip(of_class, counts, strict=True)
        ]
        return torch.cat(parts)
    return query


def transductive_entry(data: Encoded, part: str, shots: int, draws: int) -> dict[str, Any]:
    """GDA, and what looking at the query as a whole adds, by kind of query."""
    found: dict[str, dict[str, list[Any]]] = {
        kind: {"gda": [], "gda_transductive": [], "cluster": [], "draw": []} for kind in KINDS
    }
    seconds, calls = 0.0, 0
    for number, (draw, support, query) in enumerate(rounds(data, part, shots, draws)):
        of_round = gather_support(data.heads_NHD[support], data.label_N[support])
        voter = Gda().fit_support(of_round)
        for kind in KINDS:
            rows = some_of(kind, query, data.label_N, number)
            if not len(rows):
                continue
            log_p_NC = voter.vote(data.heads_NHD[rows]).scores_NC
            start = time.process_time()
            both_NC = together(of_round, data.heads_NHD[rows], log_p_NC)
            seconds, calls = seconds + time.process_time() - start, calls + 1
            for name, scores_NC in (("gda", log_p_NC), ("gda_transductive", both_NC)):
                found[kind][name].append((scores_NC.argmax(1) == data.label_N[rows]).double())
            found[kind]["cluster"].append(data.cluster_N[rows])
            found[kind]["draw"].append(torch.full((len(rows),), draw))
    entry: dict[str, Any] = {"cpu_ms": round(1000 * seconds / calls, 1)}
    for kind, one in found.items():
        values = {name: torch.cat(one[name]).numpy() for name in ("gda", "gda_transductive")}
        gap_N = values["gda_transductive"] - values["gda"]
        if kind == "fair":  # the same clips in every draw
            shape = (draws, -1)
            cluster_N = torch.cat(one["cluster"]).numpy().reshape(shape)[0]
            gain = paired_difference(
                values["gda_transductive"].reshape(shape), values["gda"].reshape(shape), cluster_N
            )
            interval = list(rounded(gain.interval).values())
        else:  # other clips in each draw, so the interval is over the draws' means
            draw_N = torch.cat(one["draw"]).numpy()
            means = np.array([gap_N[draw_N == d].mean() for d in np.unique(draw_N)])
            half = 2.093 * means.std(ddof=1) / len(means) ** 0.5 if len(means) > 1 else float("nan")
            interval = [round(float(gap_N.mean() - half), 4), round(float(gap_N.mean() + half), 4)]
        entry[kind] = {
            "gda": round(float(values["gda"].mean()), 4),
            "gain": round(float(gap_N.mean()), 4),
            "interval": interval,
        }
    return entry


def main() -> None:
    """Command line: see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path, help="folder with esc10/ and fsdd/")
    parser.add_argument("--cache", type=Path, required=True, help="folder for encoded vectors")
    parser.add_argument("--models", default="bundled:tiny_lalm,random", help="random: tiny, seed 0")
    parser.add_argument("--parts", default="esc10_folds,fsdd_unseen,spoof,esc10_mixes")
    parser.add_argument("--shots", default="1,5,10")
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--tables", default="tower,transductive")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    warnings.filterwarnings("ignore", module="sklearn")
    args.cache.mkdir(parents=True, exist_ok=True)
    results = json.loads(args.out.read_text())["results"] if args.out.exists() else {}
    for model in args.models.split(","):
        path = model if model != "random" else str(build_tiny(args.cache / "random_tiny", 0))
        lalm = FrozenLALM.from_pretrained(path, dtype="float32")
        for part in args.parts.split(","):
            data = encoded(lalm, SET_OF[part], args.root, args.cache, 0)
            for shots in tqdm(
                [int(s) for s in args.shots.split(",")], desc=f"{model} {part}", file=sys.stderr
            ):
                for table in args.tables.split(","):
                    key = f"{table}|{model}|{part}|{shots} shots"
                    if key in results or (table == "transductive" and not bool(data.allowed_NC.all())):
                        continue
                    make = tower_entry if table == "tower" else transductive_entry
                    results[key] = make(data, part, shots, args.draws)
                    record = {
                        "date": datetime.date.today().isoformat(),
                        "machine": platform.processor() or platform.machine(),
                        "torch": torch.__version__,
                        "draws": args.draws,
                        "max_queries": MAX_QUERIES,
                        "results": results,
                    }
                    args.out.parent.mkdir(parents=True, exist_ok=True)
                    args.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
