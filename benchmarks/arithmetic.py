"""Fits and votes beside the same equations in plain float32, and beside the rate of float32 matrix products.

    python benchmarks/arithmetic.py --out benchmarks/results/arithmetic.json

Random vectors of heads of 128 dimensions, 1,024 of them as a 7B model has, or fewer in less memory; all in
one process, in turn. Rates are clips per second of CPU time times the number of threads, so that other work
on the machine counts for little.
`plain_float32` scores every clip against normalised centroids in one product per head, with nothing beside
the equations: no exactness over batches, no checks.
"""

from __future__ import annotations

import argparse
import ctypes
import datetime
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch
from process_memory import memory
from torch import Tensor

from calm_pl.voters import Calm, CalmGlobal, HeadVoter, Sav, gather_support
from calm_pl.voters.many import fit_many, vote_many

DIM, SHOTS = 128, 2
CHUNK = 64


def seconds(call: Callable[[], object]) -> float:
    """Return CPU seconds per thread, of the second call."""
    call()
    start = time.process_time()
    call()
    return (time.process_time() - start) / torch.get_num_threads()


def matrix_rate() -> float:
    """Return float32 operations per second of a product of large matrices."""
    a = torch.randn(2_048, 2_048)
    return 2 * 2_048**3 / seconds(lambda: a @ a)


def peak_above(call: Callable[[], object]) -> int:
    """Return how far memory rose during a call, in MiB; Linux only."""
    ctypes.CDLL(None).malloc_trim(0)  # what earlier calls freed must not count as held
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    held = memory("VmRSS")
    call()
    return round(memory("VmHWM") - held)


def plain_votes(centroids_HDC: Tensor, x_NHD: Tensor, voter: Calm) -> Tensor:
    """Votes of CALM (eqs. 2, 5, 13) in float32."""
    out = []
    for x in x_NHD.split(CHUNK):
        scores_HNC = torch.bmm(torch.nn.functional.normalize(x, dim=-1).transpose(0, 1), centroids_HDC)
        p_HNC = torch.softmax(scores_HNC / voter.tau_p, -1)
        out.append(torch.einsum("hnc,ch->nc", p_HNC, voter.weights_))
    return torch.cat(out)


def measure(classes: int, clips: int, heads: int) -> dict[str, object]:
    """Return rates at a number of classes."""
    generator = torch.Generator().manual_seed(0)
    label = torch.arange(classes).repeat(SHOTS)
    means = torch.randn(classes, heads, DIM, generator=generator)
    support = 0.3 * means[label] + torch.randn(len(label), heads, DIM, generator=generator)
    query = torch.randn(clips, heads, DIM, generator=generator)
    gathered = gather_support(support, label.tolist())
    voters: dict[str, HeadVoter] = {"sav": Sav(), "calm_global": CalmGlobal(), "calm": Calm()}
    fit_mib = peak_above(lambda: fit_many(list(voters.values()), gathered))
    fit = {
        name: round(len(label) / seconds(lambda one=one: one.fit_support(gathered)))
        for name, one in voters.items()
    }
    votes = {name: round(clips / seconds(lambda one=one: one.vote(query))) for name, one in voters.items()}
    vote_mib = peak_above(lambda: vote_many(list(voters.values()), query))
    all_three = clips / seconds(lambda: vote_many(list(voters.values()), query))
    fit_three = len(label) / seconds(lambda: fit_many(list(voters.values()), gathered))
    calm = voters["calm"]
    assert isinstance(calm, Calm)
    unit_HDC = torch.nn.functional.normalize(calm.centroids_, dim=-1).permute(1, 2, 0).contiguous()
    plain = clips / seconds(lambda: plain_votes(unit_HDC, query, calm))
    rate, needed = matrix_rate(), 2.0 * heads * DIM * classes
    return {
        "fit_clips_per_s": fit | {"all_three": round(fit_three)},
        "votes_clips_per_s": votes | {"all_three": round(all_three), "plain_float32_calm": round(plain)},
        "float32_matrix_gflop_per_s": round(rate / 1e9),
        "all_three_share_of_matrix_rate": round(all_three * needed / rate, 3),
        "all_three_against_plain_float32_calm": round(all_three / plain, 2),
        "fit_calm_share_of_matrix_rate": round(fit["calm"] * needed / rate, 3),
        "fit_of_three_share_of_matrix_rate": round(fit_three * needed / rate, 3),
        "fit_mib_above_support": fit_mib,
        "votes_mib_above_query": vote_mib,
    }


def main() -> None:
    """Command line: see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1, help="of torch (default: %(default)s)")
    parser.add_argument("--heads", type=int, default=1_024, help="default: %(default)s")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    results = {}
    for classes, clips in ((50, 512), (309, 256)):
        results[f"{classes} classes"] = measure(classes, clips, args.heads)
        print(classes, json.dumps(results[f"{classes} classes"]), flush=True)
    record = {
        "what": f"clips a second of fits and votes, {args.heads:,} heads of 128; CPU time times threads",
        "threads": args.threads,
        "torch": torch.__version__,
        "date": datetime.date.today().isoformat(),
        "machine": platform.processor() or platform.machine(),
        "results": results,
    }
    args.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
