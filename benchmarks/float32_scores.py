"""Count what scores would depend on if they were float32 products, and measure how much faster these are.

    python benchmarks/float32_scores.py --out benchmarks/results/float32_scores.json

Scores are computed in float64 and rounded to float32 (`calm_pl.functional.HeadScorer`). Float32 products of
blocks of 16 clips, the last one padded with zeros, would be faster. Counted here, for 72 shapes of dimensions
and classes and with one and two threads, is what would then depend on something that it must not depend on:

- the same clip in all rows of a block: are its scores the same in every row?
- the same centroid in all columns (twin classes): is the score of a clip the same for each of them?
- a clip alone in a padded block and among 15 others;
- classes whose cosine with a clip is equal by symmetry: the same values in another order, and a clip of equal
  values. They are a tie, which goes to the lower class.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from datetime import date
from pathlib import Path

import torch
from torch import Tensor

from calm_pl.functional import HeadScorer

BLOCK, HEADS = 16, 4
DIMS = (3, 8, 16, 64, 80, 96, 128, 256)
CLASSES = (2, 3, 5, 10, 16, 17, 50, 309, 527)
TIES = 300


def in_float32(x_NHD: Tensor, centroids_CHD: Tensor) -> Tensor:
    """Scores (N, H, C) of one block of clips by a float32 product per head."""
    u_HND = torch.nn.functional.normalize(x_NHD, dim=-1).transpose(0, 1).contiguous()
    m_HDC = torch.nn.functional.normalize(centroids_CHD, dim=-1).permute(1, 2, 0).contiguous()
    return torch.bmm(u_HND, m_HDC).transpose(0, 1)


def in_float64(x_NHD: Tensor, centroids_CHD: Tensor) -> Tensor:
    """Scores as the voters compute them."""
    return HeadScorer(centroids_CHD)(x_NHD)


def counts(scores) -> dict[str, str]:
    """Return how often scores depend on what they must not, of how many shapes or pairs."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(dim, classes) for dim in DIMS for classes in CLASSES]
    rows = columns = padded = 0
    for dim, classes in shapes:
        x_NHD = torch.randn(BLOCK, HEADS, dim, generator=generator)
        centroids_CHD = torch.randn(classes, HEADS, dim, generator=generator)
        same_NHC = scores(x_NHD[:1].expand_as(x_NHD), centroids_CHD)
        rows += not torch.equal(same_NHC, same_NHC[:1].expand_as(same_NHC))
        twins_NHC = scores(x_NHD, centroids_CHD[:1].expand_as(centroids_CHD))
        columns += not torch.equal(twins_NHC, twins_NHC[..., :1].expand_as(twins_NHC))
        alone_NHD = torch.zeros_like(x_NHD)
        alone_NHD[0] = x_NHD[5]
        padded += not torch.equal(scores(alone_NHD, centroids_CHD)[0], scores(x_NHD, centroids_CHD)[5])
    lost = 0
    for _ in range(TIES):
        first_D = torch.randn(128, generator=generator)
        pair_CHD = torch.stack([first_D, first_D[torch.randperm(128, generator=generator)]])[:, None]
        cosines_C = scores(torch.ones(BLOCK, 1, 128), pair_CHD)[0, 0]
        lost += not bool(cosines_C[0] == cosines_C[1])
    return {
        "row of the block": f"{rows} of {len(shapes)} shapes",
        "column of a twin class": f"{columns} of {len(shapes)} shapes",
        "alone or among others": f"{padded} of {len(shapes)} shapes",
        "ties by symmetry that are lost": f"{lost} of {TIES} pairs",
    }


def rate(dtype: torch.dtype, clips: int, classes: int) -> float:
    """Return operations per second, in 10^9, of the products of 64 heads of 128, one head at a time."""
    x_HND = torch.randn(64, clips, 128).to(dtype)
    m_HCD = torch.randn(64, classes, 128).to(dtype)
    out_NC = torch.empty(clips, classes, dtype=dtype)

    def products() -> float:
        start = time.process_time()
        for x_ND, m_CD in zip(x_HND, m_HCD, strict=True):
            torch.mm(x_ND, m_CD.T, out=out_NC)
        return time.process_time() - start

    return 2 * x_HND.numel() * classes / min(products() for _ in range(11)) / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    kinds = {"float32 in blocks of 16": in_float32, "float64, rounded": in_float64}
    found = {}
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found[f"{threads} threads"] = {name: counts(scores) for name, scores in kinds.items()}
    torch.set_num_threads(1)
    rates = {
        f"{classes} classes": {
            f"{str(dtype).removeprefix('torch.')}, {clips} clips": round(rate(dtype, clips, classes), 1)
            for dtype in (torch.float32, torch.float64)
            for clips in (16, 64, 256)
        }
        for classes in (50, 309)
    }
    record = {
        "what": "what scores depend on; rates of products on one thread, 10^9 operations per CPU second",
        "date": date.today().isoformat(),
        "machine": platform.machine(),
        "torch": torch.__version__,
        "depends_on": found,
        "rates": rates,
    }
    args.out.write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
