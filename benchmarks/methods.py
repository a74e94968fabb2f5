"""Every method on the same vectors, shots and draws, with paired differences.

    python benchmarks/methods.py ../shared/data --cache vectors --out benchmarks/results/methods.json

Clips are encoded once a model (see `method_sets.py`) and kept in the cache; everything after is arithmetic.
Divisions: `esc10_folds` and `esc10_mixes` (official folds in turn), `fsdd_unseen` (each speaker in turn),
`fsdd_official` (its own test split), `spoof` (unseen speakers and voices). Intervals are 95 %, by jackknife
over clusters of clips (recordings, speakers, voices) and over support draws. `needle_*` hides ten heads among
copies of all heads whose clips were shuffled: vectors as real ones, of which most say nothing of the class.
Methods named `oracle` chose their settings on the query set: they show the gap, and are no result.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from method_sets import Encoded, also_of, encoded
from tqdm import tqdm

from calm_pl import Calm, CalmAuto, CalmGlobal, FrozenLALM, Gda, Sav
from calm_pl.functional import clip_reliability, head_scores, posteriors, sum_by_class
from calm_pl.functional.selection import Reliabilities, SettingGrid, judge_settings
from calm_pl.metrics import calibration, estimate, macro_f1, paired_difference, set_coverage
from calm_pl.models.tiny import build_tiny
from calm_pl.voters.comparisons import Comparison
from calm_pl.voters.support import gather_support

VOTERS: dict[str, Callable[[], Any]] = {
    "sav": Sav,
    "calm_global": CalmGlobal,
    "calm": Calm,
    "calm_global_loo": lambda: CalmGlobal(select="loo", reliability_split="loo"),
    "calm_loo": lambda: Calm(select="loo", reliability_split="loo"),
    "calm_global_calibrated": lambda: CalmGlobal(sharpness="loo"),
    "calm_calibrated": lambda: Calm(sharpness="loo"),
    "gda": Gda,
    "gda_published": lambda: Gda(rho=1.0),
    "calm_auto": CalmAuto,
    "logistic_heads": lambda: Comparison("logistic_regression"),
    "centroid_heads": lambda: Comparison("nearest_centroid"),
    "knn_heads": lambda: Comparison("knn"),
    "logistic_best_head": lambda: Comparison("logistic_regression", "best_head"),
    "centroid_best_head": lambda: Comparison("nearest_centroid", "best_head"),
}
HIDDEN: dict[str, Callable[[], Any]] = {
    "logistic_hidden": lambda: Comparison("logistic_regression", "hidden"),
    "centroid_hidden": lambda: Comparison("nearest_centroid", "hidden"),
}
CORE = ("sav", "calm_global", "calm", "calm_loo", "gda", "gda_published", "calm_auto", "logistic_heads")
WITH_SETS = ("gda", "calm_auto")
WITH_PROBABILITIES = (*WITH_SETS, "sav", "calm_global", "calm", "calm_global_calibrated", "calm_calibrated")
SET_OF = {
    "esc10_folds": "esc10",
    "fsdd_unseen": "fsdd",
    "fsdd_official": "fsdd",
    "spoof": "spoof",
    "esc10_mixes": "mixes",
    "needle_esc10": "esc10",
    "needle_fsdd": "fsdd",
}
MAX_QUERIES = {"fsdd_unseen": 150, "needle_fsdd": 100, "spoof": 600}
"""Queries of each fold, the same ones always, drawn by a fixed seed: more would only cost time."""


def needle(vectors_NHD: torch.Tensor) -> torch.Tensor:
    """Ten heads among six shuffled copies of all heads, (N, 10 + 6·H, D)."""
    order = torch.Generator().manual_seed(0)
    count = len(vectors_NHD)
    parts = [vectors_NHD[torch.randperm(count, generator=order)] for _ in range(6)]
    half = vectors_NHD.shape[1] // 2
    return torch.cat([*parts[:3], vectors_NHD[:, half : half + 10], *parts[3:]], 1)


def support_rows(label_N: torch.Tensor, pool_N: torch.Tensor, shots: int, seed: int) -> torch.Tensor:
    """`shots` clips of each class from the pool; fewer shots under one seed are a subset of more."""
    order = torch.Generator().manual_seed(seed)
    chosen = []
    for c in label_N.unique().tolist():
        rows = (pool_N & (label_N == c)).nonzero()[:, 0]
        chosen.append(rows[torch.randperm(len(rows), generator=order)[:shots]])
    return torch.cat(chosen)


def query_rows(fold_N: torch.Tensor, fold: int, most: int | None) -> torch.Tensor:
    """The fold's clips, thinned by a fixed seed where there are more than `most`."""
    rows = (fold_N == fold).nonzero()[:, 0]
    if most is None or len(rows) <= most:
        return rows
    order = torch.Generator().manual_seed(0)
    return rows[torch.randperm(len(rows), generator=order)[:most]].sort().values


def answer(
    method: Any, x: torch.Tensor, allowed_NC: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Winners among the allowed classes, and probabilities where all are allowed."""
    if not bool(allowed_NC.all()):
        return method.vote(x, allowed_NC).winner_N, None
    decision = method.vote(x)
    probabilities = None if isinstance(method, Comparison) else method.probabilities(decision.scores_NC)
    return decision.winner_N, probabilities


def oracle_winners(x, y, xq, yq, allowed_NC, conditional: bool) -> torch.Tensor:
    """CALM with the settings of the paper's grid that are best on the query set itself."""
    support = gather_support(x, y)
    s_NHC, q_NHC = head_scores(x, support.centroids_CHD), head_scores(xq, support.centroids_CHD)
    best, classes = None, len(support.classes)
    for tau_p in SettingGrid().tau_p:
        sums_CH = sum_by_class(clip_reliability(posteriors(s_NHC, tau_p), y), y, classes)
        counts_C = support.counts_C
        rows = (sums_CH, counts_C) if conditional else (sums_CH.sum(0)[None], counts_C.sum()[None])
        settings = SettingGrid().settings(tau_p, x.shape[1])
        judged = judge_settings(posteriors(q_NHC, tau_p), yq, Reliabilities(*rows), settings)
        hits_S = judged.right_NS.sum(0)
        place = int(hits_S.argmax())
        if best is None or hits_S[place] > best[0]:
            best = (hits_S[place], settings[place])
    make = Calm if conditional else CalmGlobal
    return answer(make(**best[1]._asdict()).fit(x, y), xq, allowed_NC)[0]


def run_division(
    data: Encoded, part: str, shots: int, draws: int, names: list[str], oracle: bool
) -> dict[str, Any]:
    """All methods on all folds and draws of one division: winners (R, N) and what belongs to them."""
    fold_N = data.parts[{"needle_esc10": "esc10_folds", "needle_fsdd": "fsdd_unseen"}.get(part, part)]
    vectors = needle(data.heads_NHD) if part.startswith("needle") else data.heads_NHD
    folds = [fold for fold in fold_N.unique().tolist() if fold > 0]
    queries = [query_rows(fold_N, fold, MAX_QUERIES.get(part)) for fold in folds]
    rows_N = torch.cat(queries)
    hidden = data.hidden_NE[:, None]
    also_NC = also_of(data)
    winners: dict[str, list[torch.Tensor]] = {}
    seconds: dict[str, float] = {}
    proba: dict[str, list[torch.Tensor]] = {name: [] for name in WITH_PROBABILITIES}
    sets: dict[str, list[torch.Tensor]] = {name: [] for name in WITH_SETS}
    for draw in range(draws):
        found: dict[str, list[torch.Tensor]] = {}
        for fold, query in zip(folds, queries, strict=True):
            support = support_rows(data.label_N, fold_N != fold, shots, 1000 * draw + fold)
            y = data.label_N[support]
            also_nC = None if also_NC is None else also_NC[support]
            for name in names:
                make = VOTERS.get(name) or HIDDEN[name]
                x_NHD = hidden if name in HIDDEN else vectors
                start = time.perf_counter()
                method = make().fit_support(gather_support(x_NHD[support], y, also_NC=also_nC))
                seconds[name] = seconds.get(name, 0) + time.perf_counter() - start
                winner_N, p_NC = answer(method, x_NHD[query], data.allowed_NC[query])
                found.setdefault(name, []).append(winner_N)
                if p_NC is not None and name in proba:
                    proba[name].append(p_NC)
                if p_NC is not None and name in sets:
                    sets[name].append(method.prediction_sets(x_NHD[query], 0.9))
            if oracle:
                args = (vectors[support], y, vectors[query], data.label_N[query], data.allowed_NC[query])
                found.setdefault("calm_oracle", []).append(oracle_winners(*args, conditional=True))
                found.setdefault("calm_global_oracle", []).append(oracle_winners(*args, conditional=False))
        for name, parts in found.items():
            winners.setdefault(name, []).append(torch.cat(parts))
    label_N = data.label_N[rows_N]
    return {
        "winners": {name: torch.stack(parts).numpy() for name, parts in winners.items()},
        "label_N": label_N.numpy(),
        "cluster_N": data.cluster_N[rows_N].numpy(),
        "fit_ms": {name: round(1000 * s / (draws * len(folds)), 2) for name, s in seconds.items()},
        "calibration": {
            name: calibration(torch.cat(p), label_N.repeat(draws))._asdict() for name, p in proba.items() if p
        },
        "sets": {
            name: set_coverage(torch.cat(s), label_N.repeat(draws))._asdict() for name, s in sets.items() if s
        },
    }


def rounded(value: Any) -> Any:
    """Numbers to four places, NamedTuples as dictionaries."""
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    if isinstance(value, tuple):
        return [rounded(one) for one in value]
    return round(float(value), 4) if isinstance(value, (float, np.floating)) else value


def summary(result: dict[str, Any], classes: int) -> dict[str, Any]:
    """Means, intervals and paired differences of one division and number of shots."""
    label_N, cluster_N = result["label_N"], result["cluster_N"]
    right = {name: (w == label_N).astype(np.float64) for name, w in result["winners"].items()}
    entry: dict[str, Any] = {}
    for name, right_RN in right.items():
        entry[name] = {"accuracy": rounded(estimate(right_RN, cluster_N))}
        if classes == 2:
            pairs = [np.bincount(2 * label_N + w, minlength=4) for w in result["winners"][name]]
            f1_R = [float(macro_f1(pair.reshape(2, 2))) for pair in pairs]
            entry[name]["macro_f1"] = [round(float(np.mean(f1_R)), 4), round(float(np.std(f1_R)), 4)]
        if name in result["fit_ms"]:
            entry[name]["fit_ms"] = result["fit_ms"][name]
        for key in ("calibration", "sets"):
            if name in result[key]:
                entry[name][key] = rounded(result[key][name])
    entry["calm_auto_minus"] = {
        name: rounded(paired_difference(right["calm_auto"], right[name], cluster_N))
        for name in right
        if name != "calm_auto"
    }
    return entry


def show(title: str, entry: dict[str, Any]) -> None:
    """Print a division's line a method."""
    print(title)
    for name, one in entry.items():
        if name == "calm_auto_minus":
            continue
        low, high = one["accuracy"]["interval"].values()
        text = f"  {name:20s} {100 * one['accuracy']['mean']:5.1f} ± {50 * (high - low):4.1f}"
        if "macro_f1" in one:
            text += f"   macro-F1 {100 * one['macro_f1'][0]:5.1f}"
        if name in entry["calm_auto_minus"]:
            gap = entry["calm_auto_minus"][name]
            low, high = gap["interval"].values()
            text += f"   auto - it {100 * gap['mean']:+5.1f} [{100 * low:+5.1f}, {100 * high:+5.1f}]"
        print(text, flush=True)


def main() -> None:
    """Command line: see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path, help="folder with esc10/ and fsdd/")
    parser.add_argument("--cache", type=Path, required=True, help="folder for encoded vectors")
    parser.add_argument("--models", default="bundled:tiny_lalm,random", help="random: tiny, seed 0")
    parser.add_argument("--parts", default=",".join(SET_OF))
    parser.add_argument(
        "--options", default="0,4", help="options in the question; 4 for the first model only"
    )
    parser.add_argument("--shots", default="1,3,5,10,20")
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--methods", default=",".join(CORE), help="comma-separated, or `all`")
    parser.add_argument("--oracle", action="store_true", help="also settings chosen on the query set")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    warnings.filterwarnings("ignore", module="sklearn")
    args.cache.mkdir(parents=True, exist_ok=True)
    record: dict[str, Any] = {
        "date": datetime.date.today().isoformat(),
        "machine": platform.processor() or platform.machine(),
        "torch": torch.__version__,
        "draws": args.draws,
        "max_queries": MAX_QUERIES,
        # What an earlier run left is kept, each entry with the fingerprint of its model's weights.
        "results": json.loads(args.out.read_text())["results"] if args.out and args.out.exists() else {},
    }
    names = [*VOTERS, *HIDDEN] if args.methods == "all" else args.methods.split(",")
    models = args.models.split(",")
    for model in models:
        path = model if model != "random" else str(build_tiny(args.cache / "random_tiny", 0))
        lalm = FrozenLALM.from_pretrained(path, dtype="float32")
        for options in map(int, args.options.split(",")):
            if options and model != models[0]:
                continue
            for part in args.parts.split(","):
                if options and part.startswith(("needle", "spoof")):
                    continue
                data = encoded(lalm, SET_OF[part], args.root, args.cache, options)
                for shots in tqdm([int(s) for s in args.shots.split(",")], desc=part, file=sys.stderr):
                    result = run_division(data, part, shots, args.draws, names, args.oracle)
                    entry = summary(result, len(data.classes))
                    key = f"{model}|{options} options|{part}|{shots} shots"
                    record["results"][key] = {"weights": lalm.identity()["weights"][:16], **entry}
                    show(key, entry)
                    if args.out:
                        args.out.parent.mkdir(parents=True, exist_ok=True)
                        args.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
