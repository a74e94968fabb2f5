"""What keeps decoder heads general: clips that the tower finds alike shall be alike in each head."""

from __future__ import annotations

import torch
from torch import nn


def centred_cosines(vectors: torch.Tensor) -> torch.Tensor:
    """Cosines between clips after their common mean is taken away, `(clips, clips)`."""
    centred = nn.functional.normalize(vectors - vectors.mean(0), dim=-1)
    return centred @ centred.T


def geometry_loss(
    head_inputs: list[torch.Tensor], tower_mean: torch.Tensor, heads: int, size: int
) -> torch.Tensor:
    """Return the mean squared difference between each head's cosines and the tower's.

    A loss on trained classes alone lets heads forget whatever does not tell those classes apart,
    which is what clips of new classes need.

    Args:
        head_inputs: What enters each layer's output projection, `(questions, width)` a layer.
        tower_mean: Mean tower output of each question's clip `(questions, tower width)`; it is
            taken as given.
        heads: How many of each layer's heads follow, the first ones.
        size: Dimension of a head.
    """
    wanted = centred_cosines(tower_mean.detach().float())
    x_NLAD = torch.stack(head_inputs, dim=1).unflatten(2, (-1, size))[:, :, :heads]
    x_HND = nn.functional.normalize(x_NLAD.float().flatten(1, 2), dim=-1).transpose(0, 1)
    return (x_HND @ x_HND.transpose(1, 2) - wanted).square().mean()
