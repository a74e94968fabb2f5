"""Masks side by side: their names, and how similar they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from calm_pl.errors import ModelError
from calm_pl.functional.masks import jaccard
from calm_pl.models.masks import HeadMask, load_mask


class MaskComparison(NamedTuple):
    """M masks of one shape.

    Attributes:
        names: names that tell them apart.
        masks: the masks.
        similarity_MM: Jaccard similarities of their active heads.
    """

    names: list[str]
    masks: list[HeadMask]
    similarity_MM: Tensor


def compare_masks(paths: Sequence[str], layers: int | None = None) -> MaskComparison:
    """Read masks and compare each pair.

    Args:
        paths: `mask.safetensors`, or checkpoints of the released code.
        layers: of the model, for released checkpoints.

    Raises:
        ModelError: one cannot be read, or they differ in layers x heads.
    """
    masks = [load_mask(path, layers) for path in paths]
    if len({tuple(mask.on_LA.shape) for mask in masks}) > 1:
        listed = ", ".join(
            f"{path} {mask.on_LA.shape[0]} x {mask.on_LA.shape[1]}"
            for path, mask in zip(paths, masks, strict=True)
        )
        raise ModelError(f"Masks of models with different layers x heads cannot be compared: {listed}.")
    return MaskComparison(_names(paths, masks), masks, jaccard(torch.stack([mask.on_LA for mask in masks])))


def _names(paths: Sequence[str], masks: Sequence[HeadMask]) -> list[str]:
    """Return the tasks' names if they are distinct; else the files' names with as many folders as needed."""
    tasks = [mask.task or Path(path).stem for path, mask in zip(paths, masks, strict=True)]
    if len(set(tasks)) == len(tasks):
        return tasks
    parts = [Path(path).with_suffix("").parts for path in paths]
    for depth in range(1, max(map(len, parts)) + 1):
        ends = ["/".join(part[-depth:]) for part in parts]
        if len(set(ends)) == len(ends):
            return ends
    return [f"{n}: {path}" for n, path in enumerate(paths, 1)]
