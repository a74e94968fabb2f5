"""What users hand to a voter, checked once and turned into tensors."""

from __future__ import annotations

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
    x = torch.from_numpy(vectors) if isinstance(vectors, np.ndarray) else vectors
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
    return x


def as_labels(labels: Any, num_clips: int) -> list[Hashable]:
    """Labels as a list of hashables, one a clip."""
    values = labels.tolist() if isinstance(labels, (Tensor, np.ndarray)) else list(labels)
    if len(values) != num_clips:
        raise ValueError(f"Expected one label for each of {num_clips} clips, but got {len(values)} labels.")
    return values


def sorted_classes(labels: Iterable[Hashable]) -> tuple[Hashable, ...]:
    """Distinct labels in an order that does not depend on the order of clips."""
    distinct = set(labels)
    try:
        return tuple(sorted(distinct))  # type: ignore[type-var]
    except TypeError:  # labels of several types have no order of their own
        return tuple(sorted(distinct, key=lambda label: (type(label).__qualname__, repr(label))))


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


def check_positive(name: str, value: float) -> None:
    """Raise ValueError unless `value` is a finite number above 0."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
        raise ValueError(f"Expected argument `{name}` to be a finite number above 0, but got {value!r}.")


def check_top_k(value: int | None) -> None:
    """Raise ValueError unless `value` is None or a positive integer."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise ValueError(
            f"Expected argument `top_k` to be a positive integer, or None for all heads, but got {value!r}."
        )
