"""Convert lists, NumPy arrays and tensors on any device to plain arrays."""

from __future__ import annotations

from typing import Any

import numpy as np


def as_array(values: Any, name: str, dims: int, dtype: Any = np.float64) -> np.ndarray:
    """Convert values to a finite NumPy array of `dims` dimensions.

    Raises:
        ValueError: other dimensions, an empty array, or NaN or infinity; the message names the argument.
    """
    if hasattr(values, "detach"):
        values = values.detach().double().cpu().numpy()  # NumPy has no bfloat16
    array = np.asarray(values, dtype=dtype)
    if array.ndim != dims or not array.size:
        raise ValueError(f"Expected argument `{name}` to have {dims} dimensions, but got {array.shape}.")
    if not np.isfinite(array).all():
        raise ValueError(f"Expected argument `{name}` to be finite, but it contains NaN or infinity.")
    return array
