"""Records whose every part follows from a number, so that a reader can tell a wrong one."""

import numpy as np
import torch

from calm_pl.bank import Records, clip_key

IDENTITY = {"weights": "abc", "dtype": "float32"}
HEADS, DIM = 3, 4


def key(number, identity=IDENTITY):
    return clip_key(f"content {number}", "What do you hear?", identity)


def vectors(number, dtype=torch.float32, heads=HEADS, dim=DIM):
    rng = np.random.default_rng(number)
    return torch.from_numpy(rng.standard_normal((heads, dim)).astype(np.float32)).to(dtype)


def records(numbers, dtype=torch.float32, identity=IDENTITY, heads=HEADS, dim=DIM):
    """Record n has n % 4 options."""
    numbers = list(numbers)
    counts = [n % 4 for n in numbers]
    scores_NO = torch.full((len(numbers), max(counts, default=0)), -torch.inf)
    for row, (n, count) in enumerate(zip(numbers, counts, strict=True)):
        scores_NO[row, :count] = n + torch.arange(count) / 8
    x_NHD = torch.empty(0, heads, dim, dtype=dtype)
    if numbers:
        x_NHD = torch.stack([vectors(n, dtype, heads, dim) for n in numbers])
    meta = [
        {"id": f"clip-{n}", "path": f"ä {n}.wav", "label": "dog", "seconds": n / 2, "prompt": f"{n % 2}?"}
        for n in numbers
    ]
    return Records([key(n, identity) for n in numbers], x_NHD, scores_NO, meta, torch.tensor(counts).long())


def same(got, want):
    """Equal to the bit in every part."""
    assert got.keys == want.keys
    assert got.vectors_NHD.dtype == want.vectors_NHD.dtype
    assert torch.equal(got.vectors_NHD.view(torch.uint8), want.vectors_NHD.view(torch.uint8))
    assert torch.equal(got.option_scores_NO, want.option_scores_NO)
    assert got.num_options_N.tolist() == want.num_options_N.tolist()
    assert got.meta == want.meta
    return True


def shards(folder):
    return sorted((folder / "shards").glob("*.safetensors"))
