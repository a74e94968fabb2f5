"""State of a fitted voter: its tensors, their shapes, and checks for tensors read from a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Form(NamedTuple):
    """Required form of a tensor.

    Attributes:
        shape: one letter per axis: C, H and D are those of the centroids, other letters are free, and a digit
            is a fixed length.
        dtype: the tensor's dtype.
    """

    shape: str
    dtype: torch.dtype = torch.float32


def check_names(found: Sequence[str], expected: Sequence[str]) -> None:
    """Raise ValueError unless all expected tensors are there, and no others."""
    lacking = [name for name in expected if name not in found]
    if lacking:
        raise ValueError(f"`{lacking[0]}` is missing")
    unknown = [name for name in found if name not in expected]
    if unknown:
        raise ValueError(f"`{unknown[0]}` is unknown; expected {', '.join(expected) or 'no tensors'}")


def check_shape(name: str, shape: Sequence[int], form: Form, sizes: Mapping[str, int]) -> None:
    """Raise ValueError unless a shape matches the form.

    Args:
        name: the tensor's name, for the message.
        shape: the shape to check.
        form: the required form.
        sizes: lengths of the known axes, by letter.
    """
    wanted = [int(axis) if axis.isdigit() else sizes.get(axis) for axis in form.shape]
    fits = len(shape) == len(wanted) and all(
        length == want if want is not None else True for length, want in zip(shape, wanted, strict=True)
    )
    if not fits:
        words = [axis if want is None else str(want) for axis, want in zip(form.shape, wanted, strict=True)]
        raise ValueError(f"`{name}` must have the shape ({', '.join(words)}), but has {tuple(shape)}")


def check_tensor(name: str, tensor: Tensor, form: Form, sizes: Mapping[str, int]) -> None:
    """Raise ValueError unless a tensor matches the form and is finite."""
    check_shape(name, tensor.shape, form, sizes)
    if tensor.dtype != form.dtype:
        raise ValueError(f"`{name}` must be {_dtype(form.dtype)}, but is {_dtype(tensor.dtype)}")
    bad = (~torch.isfinite(tensor)).nonzero()
    if len(bad):
        place = tuple(bad[0].tolist())
        raise ValueError(f"`{name}` must be finite, but is {float(tensor[place])} at {place}")


def check_between(name: str, tensor: Tensor, least: float, most: float) -> None:
    """Raise ValueError for the first value outside the range by more than rounding."""
    bad = ((tensor < least - _ROUNDING) | (tensor > most + _ROUNDING)).nonzero()
    if len(bad):
        place = tuple(bad[0].tolist())
        raise ValueError(
            f"`{name}` must be between {least:g} and {most:g}, but is {float(tensor[place]):g} at {place}"
        )


def check_weights(weights: Tensor) -> None:
    """Raise ValueError unless all weights are 0 or more and each row sums to 1."""
    check_between("weights", weights, 0, 1)
    off = ((weights.sum(-1) - 1).abs() > _ROUNDING).nonzero()
    if len(off):
        place = tuple(off[0].tolist())
        where = f" in row {place[0]}" if place else ""
        raise ValueError(f"`weights` must sum to 1, but sum to {float(weights.sum(-1)[place]):g}{where}")


def check_heads(heads_K: Tensor, num_heads: int) -> None:
    """Raise ValueError unless there are head indices, all distinct and in range."""
    if not len(heads_K):
        raise ValueError("`heads` must name at least one head, but is empty")
    check_between("heads", heads_K, 0, num_heads - 1)
    if len(heads_K.unique()) < len(heads_K):
        raise ValueError("`heads` must name each head once, but names one twice")


_ROUNDING = 1e-3


def _dtype(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
