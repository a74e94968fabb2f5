"""What users hand to a voter, checked once and turned into tensors."""

from __future__ import annotations

import itertools
import numbers
import warnings
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

Vectors = Any  # a torch.Tensor or a NumPy array, (N, H, D)


def as_vectors(vectors: Vectors) -> Tensor:
    """`vectors` as a tensor (N, H, D), its dtype kept.

    Raises:
        TypeError: not a floating tensor or array.
        ValueError: not three axes, or a value that is not finite.
    """
    x = _from_numpy(vectors) if isinstance(vectors, np.ndarray) else vectors
    if not isinstance(x, Tensor) or not x.is_floating_point():
        kind = getattr(x, "dtype", type(x).__name__)
        raise TypeError(
            f"Expected `vectors` to be a floating tensor or array of shape (N, H, D), but got {kind}."
        )
    if x.dim() != 3 or 0 in x.shape[1:]:
        raise ValueError(
            f"Expected `vectors` to have the shape (N, H, D) with H and D positive, but got {tuple(x.shape)}."
        )
    # NaN and infinity survive a sum, and a sum needs no copy of the whole.
    suspects = (~torch.isfinite(x.sum((1, 2), dtype=torch.float64))).nonzero().flatten().tolist()
    bad = next((n for n in suspects if not bool(torch.isfinite(x[n]).all())), None)
    if bad is not None:
        raise ValueError(
            f"Expected `vectors` to be finite, but clip {bad} of {len(x)} holds NaN or infinity"
            " (an overflow in 16 bit? try bfloat16 or float32)."
        )
    return x.detach()


def _from_numpy(array: np.ndarray) -> Tensor:
    """An array as a tensor, without a copy where torch can do without."""
    if any(stride < 0 for stride in array.strides):
        array = np.ascontiguousarray(array)
    with warnings.catch_warnings():
        # A read-only array, such as a memory map, is never written to here.
        warnings.filterwarnings("ignore", message=".*not writable.*")
        return torch.from_numpy(array)


def as_labels(labels: Any, num_clips: int) -> list[Hashable]:
    """Labels as a list of hashables, one a clip."""
    values = labels.tolist() if isinstance(labels, (Tensor, np.ndarray)) else list(labels)
    if len(values) != num_clips:
        raise ValueError(f"Expected one label for each of {num_clips} clips, but got {len(values)} labels.")
    unhashable = next((value for value in values if not isinstance(value, Hashable)), None)
    if unhashable is not None:
        raise ValueError(f"Expected one hashable label for each clip, but got {unhashable!r}.")
    return values


def sorted_classes(labels: Iterable[Hashable]) -> tuple[Hashable, ...]:
    """Distinct labels in an order that does not depend on the order of clips."""
    distinct = set(labels)
    try:
        order = sorted(distinct)  # type: ignore[type-var]
        if all(a < b for a, b in itertools.pairwise(order)):  # type: ignore[operator]
            return tuple(order)
    except TypeError:
        pass
    # Labels of several types, and sets, have no order of their own.
    return tuple(sorted(distinct, key=lambda label: (type(label).__qualname__, _stable_text(label))))


def _stable_text(label: Hashable) -> str:
    """A label's text, the same in every process; that of a set follows its hashes, which are not."""
    return repr(sorted(map(_stable_text, label))) if isinstance(label, frozenset) else repr(label)


def label_indices(labels: Sequence[Hashable], classes: Sequence[Hashable]) -> Tensor:
    """Indices of labels in `classes`, (N,) int64.

    Raises:
        ValueError: a label that is not among the classes.
    """
    position = {label: i for i, label in enumerate(classes)}
    unknown = sorted_classes(label for label in labels if label not in position)
    if unknown:
        raise ValueError(f"Expected labels among the {len(classes)} classes, but got {unknown[:5]}.")
    return torch.tensor([position[label] for label in labels], dtype=torch.int64)


def label_array(labels: Sequence[Hashable]) -> np.ndarray:
    """Labels as a one-dimensional NumPy array; of objects where they are not all strings or all integers."""
    for kind in (str, int):
        if all(type(label) is kind for label in labels):
            return np.array(labels)
    array = np.empty(len(labels), dtype=object)
    for i, label in enumerate(labels):  # a plain assignment would unpack tuples
        array[i] = label
    return array


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Raise ValueError unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"Expected argument `{name}` to be one of {choices}, but got {value!r}.")


def check_positive(name: str, value: Any, or_zero: bool = False) -> None:
    """Raise ValueError unless `value` is a finite number above 0, or 0 where that is allowed."""
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not (0 < value < float("inf") or (or_zero and value == 0)):
        least = "of 0 or more" if or_zero else "above 0"
        raise ValueError(f"Expected argument `{name}` to be a finite number {least}, but got {value!r}.")


def check_top_k(value: int | None) -> None:
    """Raise ValueError unless `value` is None or a positive integer."""
    if value is not None and (
        isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1
    ):
        raise ValueError(
            f"Expected argument `top_k` to be a positive integer, or None for all heads, but got {value!r}."
        )
