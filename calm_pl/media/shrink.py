"""Make frames smaller, the same to the last bit whoever decoded them."""

from __future__ import annotations

import numpy as np


def shrink(pixels_HWC: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resample uint8 (H, W, C) to (height, width, C), neither larger than before.

    Each pixel is a mean of those below it, weighted by a triangle as wide as two new pixels (linear
    interpolation with antialiasing), over rows and then over columns, in float32; rounded once.
    """
    if pixels_HWC.shape[:2] == (height, width):
        return pixels_HWC
    half_WHC = _along_first(pixels_HWC.astype(np.float32), height).swapaxes(0, 1)
    small_HWC = _along_first(half_WHC, width).swapaxes(0, 1)
    return np.rint(small_HWC).astype(np.uint8)


def _along_first(block: np.ndarray, length: int) -> np.ndarray:
    places_nk, weights_nk = _triangle(len(block), length)
    flat = block.reshape(len(block), -1)
    out = np.zeros((length, flat.shape[1]), np.float32)
    for places_n, weights_n in zip(places_nk.T, weights_nk.T, strict=True):
        out += weights_n[:, None] * flat[places_n]
    return out.reshape(length, *block.shape[1:])


def _triangle(before: int, after: int) -> tuple[np.ndarray, np.ndarray]:
    """Return for each new pixel the old ones it depends on, and their weights (sum 1), both (after, k)."""
    scale = before / after
    centers_n1 = (np.arange(after)[:, None] + 0.5) * scale
    first_n1 = np.floor(centers_n1 - scale).astype(int)
    places_nk = first_n1 + np.arange(int(np.ceil(2 * scale)) + 2)
    weights_nk = np.maximum(0.0, 1 - np.abs(places_nk + 0.5 - centers_n1) / scale)
    weights_nk[(places_nk < 0) | (places_nk >= before)] = 0
    weights_nk /= weights_nk.sum(1, keepdims=True)
    return places_nk.clip(0, before - 1), weights_nk.astype(np.float32)
