"""Random head vectors for tests of voters."""

import numpy as np


def noisy_clips(seed, counts, heads=6, dim=4, noise=0.8, dtype=np.float64):
    """Clips around a random direction a class and head, some heads noisier than others.

    Returns vectors (N, H, D) and class indices (N,), with `counts[c]` clips of class c in mixed order.
    """
    rng = np.random.default_rng(seed)
    directions = rng.standard_normal((len(counts), heads, dim))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    y = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    spread = noise * np.linspace(0.5, 1.5, heads)[:, None]
    x = directions[y] + spread * rng.standard_normal((len(y), heads, dim))
    return x.astype(dtype), y
