"""How well left-out support clips foretell new ones: one clip left out at a time, or one of each class.

    python benchmarks/left_out.py ../shared/data --cache vectors --out benchmarks/results/left_out.json

A Gaussian discriminant analysis (ρ = 1) of all heads, on the sets and draws of `methods.py`: accuracy of
left-out support clips both ways, and of the query clips, among all classes. Sets of one class a clip only.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
from pathlib import Path

import torch
from method_sets import encoded
from methods import MAX_QUERIES, SET_OF, query_rows, support_rows

from calm_pl import FrozenLALM
from calm_pl.functional import gda_left_out, unit
from calm_pl.functional.gda import gda_dual, gda_weights
from calm_pl.voters import gather_support
from calm_pl.voters.gram import clip_gram, clip_places, folded_clips

WAYS = ("one_clip", "one_of_each_class", "query")


def accuracies(x, y, queries, truth) -> list[float]:
    """Accuracy of left-out clips, one at a time and one of each class, and of queries."""
    support = gather_support(x, y)
    places = clip_places(support)
    _, heads, dim = x.shape
    gram_NN = clip_gram(support, places, torch.full((heads,), 1 / heads, dtype=torch.float64))
    dual = gda_dual(gram_NN, y, len(support.classes), heads * dim)
    alone, balanced = torch.arange(len(y)), folded_clips(support, places).fold_N
    found = [(gda_left_out(dual, [1.0], fold_N)[0].argmax(-1) == y) for fold_N in (alone, balanced)]
    fit = gda_weights(dual, 1.0)
    products = unit(queries).flatten(1).double() @ unit(x).flatten(1).double().T / heads
    found.append((products @ fit.coefficients_NC + fit.bias_C).argmax(-1) == truth)
    return [float(right.double().mean()) for right in found]


def main() -> None:
    """Command line: see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path, help="folder with esc10/ and fsdd/")
    parser.add_argument("--cache", type=Path, required=True, help="folder for encoded vectors")
    parser.add_argument("--model", default="bundled:tiny_lalm")
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    lalm = FrozenLALM.from_pretrained(args.model, dtype="float32")
    results = {}
    for part in ("spoof", "esc10_folds", "fsdd_unseen"):
        data = encoded(lalm, SET_OF[part], args.root, args.cache, 0)
        fold_N = data.parts[part]
        for shots in (2, 3, 5, 10, 20):
            rows = []
            for draw in range(args.draws):
                for fold in [f for f in fold_N.unique().tolist() if f > 0]:
                    support = support_rows(data.label_N, fold_N != fold, shots, 1000 * draw + fold)
                    query = query_rows(fold_N, fold, MAX_QUERIES.get(part))
                    chosen = (data.heads_NHD[support], data.label_N[support])
                    rows.append(accuracies(*chosen, data.heads_NHD[query], data.label_N[query]))
            means = torch.tensor(rows).mean(0).tolist()
            results[f"{part}|{shots} shots"] = {
                way: round(value, 4) for way, value in zip(WAYS, means, strict=True)
            }
            print(part, shots, results[f"{part}|{shots} shots"], flush=True)
    record = {
        "date": datetime.date.today().isoformat(),
        "machine": platform.processor() or platform.machine(),
        "torch": torch.__version__,
        "model": args.model,
        "weights": lalm.identity()["weights"][:16],
        "draws": args.draws,
        "results": results,
    }
    args.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
