"""The support set as voters use it: this rank's clips, with the centroids over all ranks' clips."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from calm_pl.functional import centroids_from_sums, class_sums, live_heads
from calm_pl.voters.checks import Vectors, as_labels, as_vectors, label_indices, sorted_classes

AllReduce = Callable[[Tensor], Tensor]


def alone(tensor: Tensor) -> Tensor:
    """Return the tensor itself: the sum over one rank."""
    return tensor


class ReliabilitySums(NamedTuple):
    """Per-class sums of clip reliabilities over all ranks.

    Attributes:
        sums_CH: (C, H) float64.
        counts_C: clips in each sum, (C,) float64.
    """

    sums_CH: Tensor
    counts_C: Tensor


class Support(NamedTuple):
    """Labelled clips, and what is computed from them immediately.

    Attributes:
        x_NHD: head vectors of this rank's clips, in their own dtype. They may be elsewhere than all the rest,
            such as on disk: `vectors` brings parts of them to `device`.
        y_N: their class indices.
        classes: labels in class order.
        centroids_CHD: centroids over the clips of all ranks, float32 (eq. 1).
        counts_C: clips per class over all ranks, float64.
        all_reduce: sums a tensor over ranks.
        means_CHD: the centroids before rounding, float64: a clip can be so close to the mean of its class
            that float32 rounding would dominate their difference.
        live_H: heads that can have a weight, bool; see `live_heads`.
        rank: this rank, from 0.
        num_ranks: how many there are.
        also_NC: bool, further classes of this rank's clips besides y; None if every clip has one class.
        label_dtype: dtype of the array of labels; None for lists and tensors.
        known: sums of evidence on these clips that were computed for several voters at once, by score, kind
            and whether each clip was held out; see `with_evidence`.
    """

    x_NHD: Tensor
    y_N: Tensor
    classes: tuple[Hashable, ...]
    centroids_CHD: Tensor
    counts_C: Tensor
    all_reduce: AllReduce
    means_CHD: Tensor
    live_H: Tensor
    rank: int = 0
    num_ranks: int = 1
    also_NC: Tensor | None = None
    label_dtype: np.dtype | None = None
    known: Mapping[Any, ReliabilitySums] = MappingProxyType({})

    @property
    def device(self) -> torch.device:
        """Return the device on which voters are fitted."""
        return self.centroids_CHD.device

    def vectors(self, clips: slice = slice(None), heads: slice | Tensor = slice(None)) -> Tensor:
        """Return head vectors of some of this rank's clips in some heads, (n, h, D), on `device`."""
        if isinstance(heads, Tensor):
            heads = heads.to(self.x_NHD.device)
        return self.x_NHD[clips][:, heads].to(self.device)


def gather_support(
    vectors: Vectors,
    labels: Any,
    classes: Sequence[Hashable] | None = None,
    all_reduce: AllReduce = alone,
    rank: int = 0,
    num_ranks: int = 1,
    also_NC: Tensor | None = None,
    device: torch.device | None = None,
) -> Support:
    """Check clips and build their centroids; ranks exchange only sums and counts.

    Args:
        vectors: (N, H, D) head vectors, or (N, F) for one head; N may be 0 on a rank without clips.
        labels: N hashable labels, none missing.
        classes: the class order; the sorted labels if None. Required if ranks may see different labels.
        all_reduce: sums a tensor over ranks; the identity by default.
        rank: this rank; required, with `num_ranks`, by voters that compare clips of different ranks.
        num_ranks: how many ranks call this.
        also_NC: bool, in the order of `classes`: further classes of each clip, which do not count as errors
            when it is held out. None, on every rank, if each clip has one class.
        device: where voters are fitted, if not where the vectors are; these stay where they are, and are read
            a few clips or heads at a time.

    Raises:
        ValueError: fewer than two classes, a class without clips on all ranks, or invalid vectors or labels.
    """
    x_NHD = as_vectors(vectors)
    values, dtype = as_labels(labels, len(x_NHD))
    order = sorted_classes(values) if classes is None else tuple(classes)
    if len(order) < 2:
        got = "1 class" if len(order) == 1 else f"{len(order)} classes"
        raise ValueError(f"Expected at least 2 classes, but got {got}: {order}.")
    y_N = label_indices(values, order).to(x_NHD.device if device is None else device)
    sums_CHD, counts_C = class_sums(x_NHD, y_N, len(order))
    sums_CHD, counts_C = all_reduce(sums_CHD), all_reduce(counts_C)
    empty = [label for label, count in zip(order, counts_C.tolist(), strict=True) if count == 0]
    if empty:
        raise ValueError(f"Expected at least one support clip for each class, but got none for {empty}.")
    centroids_CHD = centroids_from_sums(sums_CHD, counts_C)
    means_CHD = sums_CHD.div_(counts_C[:, None, None])  # in place: each takes 0.3 GB for 309 classes
    if also_NC is not None:
        own_NC = torch.nn.functional.one_hot(y_N, len(order)).bool()
        also_NC = also_NC.to(own_NC.device) & ~own_NC
    return Support(
        x_NHD,
        y_N,
        order,
        centroids_CHD,
        counts_C,
        all_reduce,
        means_CHD,
        live_heads(centroids_CHD),
        rank,
        num_ranks,
        also_NC,
        dtype,
    )


def as_heldout(support: Support, heldout: tuple[Vectors, Any]) -> Support:
    """Check held-out (vectors, labels) and return them with the support's centroids.

    Raises:
        ValueError: vectors with other heads or another dimension, or labels that the support lacks.
    """
    x_NHD = as_vectors(heldout[0])
    if x_NHD.shape[1:] != support.x_NHD.shape[1:]:
        raise ValueError(
            "Expected held-out vectors with the support's number of heads and dimension,"
            f" {tuple(support.x_NHD.shape[1:])}, but got {tuple(x_NHD.shape[1:])}."
        )
    labels = as_labels(heldout[1], len(x_NHD)).values
    y_N = label_indices(labels, support.classes).to(support.device)
    return support._replace(x_NHD=x_NHD, y_N=y_N, known=MappingProxyType({}))
