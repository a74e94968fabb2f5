"""Check the input of voters and convert it to tensors."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from calm_pl.functional import clip_chunks

Vectors = Any  # a torch.Tensor, or anything NumPy accepts as an array; (N, H, D), or (N, F) for one head
LARGEST = 1e15
"""The largest value allowed in a head vector: the dot product of two such vectors still fits in float32."""


def as_vectors(vectors: Vectors) -> Tensor:
    """Return `vectors` as a tensor (N, H, D) of the same dtype; (N, F) is read as one head, (N, 1, F).

    Raises:
        TypeError: not a floating tensor or array.
        ValueError: not three or two axes, or a value that is not finite or exceeds `LARGEST`.
    """
    x = vectors
    if isinstance(x, (list, tuple)) and x and all(isinstance(one, Tensor) for one in x):
        x = torch.stack(list(x))
    elif isinstance(x, (list, tuple)) or (not isinstance(x, Tensor) and hasattr(x, "__array__")):
        x = _from_numpy(np.asarray(x))  # including data frames and arrays of other packages
    if not isinstance(x, Tensor) or not x.is_floating_point():
        kind = getattr(x, "dtype", type(x).__name__)
        raise TypeError(
            f"Expected `vectors` to be a floating tensor or array of shape (N, H, D), but got {kind}."
        )
    if x.dim() not in (2, 3) or 0 in x.shape[1:]:
        raise ValueError(
            "Expected `vectors` to have the shape (N, H, D) with H and D positive, or (N, F) for one head,"
            f" but got {tuple(x.shape)}."
        )
    x = x.detach()
    x_NHD = x if x.dim() == 3 else x[:, None]
    _check_size(x_NHD)
    return x_NHD


def _check_size(x_NHD: Tensor) -> None:
    """Raise ValueError for the first clip with NaN, infinity or a value beyond `LARGEST`."""
    dtype = torch.float32 if x_NHD.element_size() < 4 else x_NHD.dtype
    for chunk in clip_chunks(len(x_NHD), x_NHD.shape[1] * x_NHD.shape[2]):
        # One pass without a copy; suspicious chunks are then checked value by value.
        norms_n = torch.linalg.vector_norm(x_NHD[chunk], dim=(1, 2), dtype=dtype)
        for n in (~(norms_n <= LARGEST)).nonzero().flatten().tolist():
            largest = float(x_NHD[chunk.start + n].abs().max())
            if not largest <= LARGEST:
                where = f"clip {chunk.start + n} of {len(x_NHD)}"
                raise ValueError(
                    f"Expected `vectors` to be finite, but {where} contains NaN or infinity;"
                    " if 16-bit values overflowed, use bfloat16 or float32."
                    if not math.isfinite(largest)
                    else f"Expected values of `vectors` up to {LARGEST:g}, but {where} contains {largest:g}:"
                    " scores would overflow in float32. Scale all vectors down."
                )


def _from_numpy(array: np.ndarray) -> Any:
    """Return an array as a tensor, without a copy if possible.

    An array whose dtype torch does not support is returned unchanged.
    """
    if any(stride < 0 for stride in array.strides):
        array = np.ascontiguousarray(array)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    with warnings.catch_warnings():
        # The array may be read-only, such as a memory map; nothing here writes to it.
        warnings.filterwarnings("ignore", message=".*not writable.*")
        try:
            return torch.from_numpy(array)
        except TypeError:
            return array


class Labels(NamedTuple):
    """Labels as plain values.

    Attributes:
        values: one hashable value per clip.
        dtype: that of the NumPy (or similar) array they came in; None for lists and tensors.
    """

    values: list[Hashable]
    dtype: np.dtype | None


def as_labels(labels: Any, num_clips: int) -> Labels:
    """Check labels and return them as plain values, one per clip.

    Torch and NumPy scalars become numbers: as objects, equal ones would be different classes.

    Raises:
        ValueError: not one label per clip, or labels that are missing or not hashable; the message gives
            their positions.
    """
    if labels is None or isinstance(labels, (str, bytes)):
        raise ValueError(f"Expected one label for each of {num_clips} clips, but got {labels!r}.")
    values = labels.tolist() if isinstance(labels, (Tensor, np.ndarray)) else list(labels)
    if len(values) != num_clips:
        raise ValueError(f"Expected one label for each of {num_clips} clips, but got {len(values)} labels.")
    values = [_plain(value) for value in values]
    unhashable = next((n for n, value in enumerate(values) if not isinstance(value, Hashable)), None)
    if unhashable is not None:
        raise ValueError(
            f"Expected one hashable label for each clip, but got {values[unhashable]!r}"
            f" for clip {unhashable}."
        )
    missing = [n for n, value in enumerate(values) if _is_missing(value)]
    if missing:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise ValueError(
            f"Expected a label for each clip, but it is missing (None or NaN) for clip"
            f" {', '.join(map(str, missing[:5]))}{more} of {num_clips}; remove such clips."
        )
    dtype = getattr(labels, "dtype", None)
    return Labels(values, dtype if isinstance(dtype, np.dtype) and dtype.kind != "O" else None)


def _plain(value: Any) -> Any:
    """Return the plain value of a tensor or NumPy scalar; tensors of several values become lists."""
    if isinstance(value, (Tensor, np.ndarray)):
        return value.tolist()
    return value.item() if isinstance(value, np.generic) else value


def _is_missing(value: Any) -> bool:
    """Return whether a label is None, NaN, NaT or pandas' NA."""
    if value is None:
        return True
    try:
        return bool(value != value)
    except (TypeError, ValueError):  # pandas' NA has no truth value
        return type(value).__name__ == "NAType"


def sorted_classes(labels: Iterable[Hashable]) -> tuple[Hashable, ...]:
    """Return the distinct labels in an order that does not depend on the order of clips."""
    distinct = set(labels)
    try:
        order = sorted(distinct)  # type: ignore[type-var]
        if all(a < b for a, b in itertools.pairwise(order)):  # type: ignore[operator]
            return tuple(order)
    except TypeError:
        pass
    # Sets, and labels of different types, cannot be compared.
    return tuple(sorted(distinct, key=lambda label: (type(label).__qualname__, _stable_text(label))))


def _stable_text(label: Hashable) -> str:
    """Return a label's text, the same in every process; the order of a set's elements is not."""
    return repr(sorted(map(_stable_text, label))) if isinstance(label, frozenset) else repr(label)


def label_indices(labels: Sequence[Hashable], classes: Sequence[Hashable]) -> Tensor:
    """Return indices of labels in `classes`, (N,) int64.

    Raises:
        ValueError: a label that is not among the classes.
    """
    position = {label: i for i, label in enumerate(classes)}
    unknown = sorted_classes(label for label in labels if label not in position)
    if unknown:
        raise ValueError(f"Expected labels among the {len(classes)} classes, but got {unknown[:5]}.")
    return torch.tensor([position[label] for label in labels], dtype=torch.int64)


def label_array(labels: Sequence[Hashable], dtype: np.dtype | None = None) -> np.ndarray:
    """Return labels as a one-dimensional NumPy array.

    Args:
        labels: plain values.
        dtype: that of the labels, where they came in an array. Otherwise it follows from the values: texts,
            integers, floats or truth values where all are of one kind, else objects.
    """
    kinds = {type(label) for label in labels}
    if dtype is not None or (len(kinds) == 1 and kinds <= {str, int, float, bool}):
        if dtype is not None and dtype.kind in "US":  # other ranks may have longer ones
            dtype = np.dtype(dtype.kind)
        try:
            array = np.array(labels, dtype=dtype)
        except (OverflowError, TypeError, ValueError):  # beyond 64 bits, or not of the dtype
            array = np.empty(0)
        # NumPy drops zeros at the end of a text.
        if array.shape == (len(labels),) and array.dtype.kind != "O" and array.tolist() == list(labels):
            return array
    array = np.empty(len(labels), dtype=object)
    for i, label in enumerate(labels):  # a plain assignment would unpack tuples
        array[i] = label
    return array
