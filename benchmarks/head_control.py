"""Do heads differ by class, and does choosing or weighting them help? The paper's figures 3 to 6.

    python benchmarks/head_control.py ../shared/data --cache vectors --out benchmarks/results/x.json

Sets, divisions, draws and intervals are those of `control_rows.py`. `methods` compares ways to weight the
same heads; `sparsity` CALM, CALM-Global and SAVs by the share of heads they keep; `differ` compares
reliabilities of the same heads in two halves of the clips that supports are drawn from, and CALM's weights.
What the record has already is not computed again.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import json
import platform
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from control_rows import MAX_QUERIES, rounds
from head_differences import compare
from method_sets import Encoded, also_of, encoded
from methods import SET_OF, answer, rounded, support_rows
from scipy import stats
from tqdm import tqdm

from calm_pl import Calm, CalmAuto, CalmGlobal, FrozenLALM, Gda, Sav
from calm_pl.metrics import estimate, paired_difference
from calm_pl.models.tiny import build_tiny
from calm_pl.voters import gather_support

EQUAL = 1e6
"""A τ_w at which all weights are equal."""
METHODS: dict[str, Callable[[], Any]] = {
    "best_head": lambda: Sav(top_k=1),
    "sav": Sav,
    "equal_votes": lambda: Sav(top_k=None),
    "equal_weights": lambda: CalmGlobal(tau_w=EQUAL),
    "calm_global": CalmGlobal,
    "calm": Calm,
    "calm_global_sharp": lambda: CalmGlobal(tau_w=0.1),
    "calm_sharp": lambda: Calm(tau_w=0.1),
    "gda": Gda,
    "calm_auto": CalmAuto,
}
PAIRS = (
    ("calm", "calm_global"),
    ("calm", "equal_weights"),
    ("calm", "sav"),
    ("calm_sharp", "calm_global_sharp"),
    ("calm_sharp", "equal_weights"),
    ("sav", "equal_votes"),
    ("equal_weights", "best_head"),
    ("calm_auto", "calm"),
    ("calm_auto", "gda"),
)
SHARES = (5, 10, 20, 30, 40, 50, 70, 100)
"""Percent of the heads kept."""
SPARSE: dict[str, Callable[[int], Any]] = {
    "calm": lambda k: Calm(top_k=k),
    "calm_global": lambda k: CalmGlobal(top_k=k),
    "sav": lambda k: Sav(top_k=k),
}


def judged(
    data: Encoded, part: str, shots: int, draws: int, methods: dict[str, Callable[[], Any]]
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Whether each method was right in each draw, (R, N), and the clusters of the queries (N,)."""
    also_NC = also_of(data)
    right: dict[str, list[list[torch.Tensor]]] = {name: [[] for _ in range(draws)] for name in methods}
    for draw, support, query in rounds(data, part, shots, draws):
        also_nC = None if also_NC is None else also_NC[support]
        one = gather_support(data.heads_NHD[support], data.label_N[support], also_NC=also_nC)
        for name, make in methods.items():
            winner_N, _ = answer(make().fit_support(one), data.heads_NHD[query], data.allowed_NC[query])
            right[name][draw].append(winner_N == data.label_N[query])
    rows = torch.cat([query for _, _, query in rounds(data, part, shots, 1)])
    right_RN = {n: torch.stack([torch.cat(one) for one in r]).double().numpy() for n, r in right.items()}
    return right_RN, data.cluster_N[rows].numpy()


def methods_entry(data: Encoded, part: str, shots: int, draws: int, names: list[str]) -> dict[str, Any]:
    """Accuracies and paired differences of some methods."""
    right_RN, cluster_N = judged(data, part, shots, draws, {name: METHODS[name] for name in names})
    return {
        "accuracy": {name: rounded(estimate(values, cluster_N)) for name, values in right_RN.items()},
        "differences": {
            f"{one} - {other}": rounded(paired_difference(right_RN[one], right_RN[other], cluster_N))
            for one, other in PAIRS
            if one in right_RN and other in right_RN
        },
    }


def sparsity_entry(data: Encoded, part: str, shots: int, draws: int) -> dict[str, Any]:
    """Accuracy of each method by the percentage of heads kept, and its difference from all heads."""
    heads = data.heads_NHD.shape[1]
    entry: dict[str, Any] = {}
    for method, make in SPARSE.items():
        kept = {str(share): max(1, round(share * heads / 100)) for share in SHARES}
        voters = {name: (lambda k=k, make=make: make(k)) for name, k in kept.items()}
        right_RN, cluster_N = judged(data, part, shots, draws, voters)
        entry[method] = {
            share: {
                "heads": kept[share],
                "accuracy": rounded(float(values.mean())),
                "minus_all": rounded(paired_difference(values, right_RN["100"], cluster_N)),
            }
            for share, values in right_RN.items()
        }
    return entry


def differ_entry(data: Encoded, part: str, shots: int, draws: int) -> dict[str, Any]:
    """Measure how alike reliabilities of one class, and of different classes, are in two halves of the clips.

    The halves share no clip; each has `shots` clips per class, or half of what there is for 0. Values are
    those of `head_differences.compare`, averaged over folds, and `effective_heads`: the exponential of the
    entropy of CALM's weights in the first half, as a share of the heads.
    """
    fold_N = data.parts[part]
    rows: list[dict[str, float]] = []
    draw_of: list[int] = []
    rng = np.random.default_rng(0)
    for draw in range(draws):
        for fold in [fold for fold in fold_N.unique().tolist() if fold > 0]:
            halves = _halves(data.label_N, fold_N != fold, shots, 1000 * draw + fold)
            fitted = [_reliabilities(data, half) for half in halves]
            rows.append(compare(*(one.reliability_.numpy() for one in fitted), rng))
            weights_CH = fitted[0].weights_.double()
            entropy_C = -(weights_CH * weights_CH.clamp(min=1e-30).log()).sum(1)
            rows[-1]["effective_heads"] = float(entropy_C.exp().mean()) / weights_CH.shape[1]
            draw_of.append(draw)
    of_draw = np.array(draw_of)
    means_R = {}
    for name in rows[0]:
        values = np.array([row[name] for row in rows])
        means_R[name] = np.array([values[of_draw == draw].mean() for draw in range(draws)])
    return {name: _over_draws(values) for name, values in means_R.items()}


def _halves(label_N: torch.Tensor, pool_N: torch.Tensor, shots: int, seed: int) -> list[torch.Tensor]:
    """Rows of two halves with equally many clips of each class."""
    labels = label_N[pool_N]
    each = shots or int(torch.bincount(labels)[labels.unique()].min()) // 2
    drawn = support_rows(label_N, pool_N, 2 * each, seed)
    first, second = [], []
    for c in label_N.unique():
        of_class = drawn[label_N[drawn] == c]
        first.append(of_class[:each])
        second.append(of_class[each : 2 * each])
    return [torch.cat(first), torch.cat(second)]


def _reliabilities(data: Encoded, rows: torch.Tensor) -> Calm:
    also_NC = also_of(data)
    also_nC = None if also_NC is None else also_NC[rows]
    return Calm().fit_support(gather_support(data.heads_NHD[rows], data.label_N[rows], also_NC=also_nC))


def _over_draws(values_R: np.ndarray) -> dict[str, float]:
    """Mean over draws with the 95 % interval of Student's t."""
    half = float(stats.t.ppf(0.975, len(values_R) - 1)) * values_R.std(ddof=1) / len(values_R) ** 0.5
    mean = float(values_R.mean())
    return {"mean": round(mean, 4), "low": round(mean - half, 4), "high": round(mean + half, 4)}


TABLES = ("methods", "sparsity", "differ")


def main() -> None:
    """Command line: see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path, help="folder with esc10/ and fsdd/")
    parser.add_argument("--cache", type=Path, required=True, help="folder for encoded vectors")
    parser.add_argument(
        "--models", default="bundled:plain_lalm,bundled:tiny_lalm,random", help="random: tiny, seed 0"
    )
    parser.add_argument("--parts", default="esc10_folds,fsdd_unseen,spoof,esc10_mixes")
    parser.add_argument("--shots", default="5,10", help="0: half of all clips, in `differ` alone")
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--tables", default=",".join(TABLES))
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    warnings.filterwarnings("ignore", module="sklearn")
    args.cache.mkdir(parents=True, exist_ok=True)
    record = json.loads(args.out.read_text()) if args.out.exists() else {"weights": {}, "results": {}}
    for model, part in itertools.product(args.models.split(","), args.parts.split(",")):
        path = model if model != "random" else str(build_tiny(args.cache / "random_tiny", 0))
        lalm = FrozenLALM.from_pretrained(path, dtype="float32")
        record["weights"][model] = lalm.identity()["weights"][:16]
        data = encoded(lalm, SET_OF[part], args.root, args.cache, 0)
        for shots, table in tqdm(
            list(itertools.product(map(int, args.shots.split(",")), args.tables.split(","))),
            desc=f"{model} {part}",
            file=sys.stderr,
        ):
            key = f"{table}|{model}|{part}|{shots} shots"
            if key in record["results"] or (shots == 0 and table != "differ"):
                continue
            if table == "methods":
                entry = methods_entry(data, part, shots, args.draws, args.methods.split(","))
            else:
                make = sparsity_entry if table == "sparsity" else differ_entry
                entry = make(data, part, shots, args.draws)
            record["results"][key] = entry
            record |= {
                "date": datetime.date.today().isoformat(),
                "machine": platform.processor() or platform.machine(),
                "torch": torch.__version__,
                "draws": args.draws,
                "max_queries": MAX_QUERIES,
            }
            args.out.parent.mkdir(parents=True, exist_ok=True)
            args.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
