"""What keeps single decoder heads general: each shows its own view of what the tower heard."""

from __future__ import annotations

import torch
from torch import nn

VIEW_SEED = 1409
POWER = -0.5
RIDGE = 0.1
"""Share of the mean variance that is added to every direction before the power is taken."""


class HeadViews(nn.Module):
    """Draws each head's vector to its own random projection of the clip's mean audio token.

    A loss on trained classes alone lets heads forget whatever does not tell those classes apart,
    which is what clips of new classes need. And one common aim makes all heads alike, so that
    nothing is won by asking many. Here every head has an aim of its own: the mean token in
    coordinates in which clips of one class spread equally in all directions, cut down to the
    head's size along directions that the heads of a layer share out among themselves.

    Serves training alone; nothing in it is learned.
    """

    centre: torch.Tensor
    maps: torch.Tensor

    def __init__(self, viewing: tuple[int, ...], size: int, width: int) -> None:
        """Draw the projections.

        Args:
            viewing: How many heads of each layer follow, the first ones.
            size: Dimension of a head.
            width: Dimension of an audio token.
        """
        super().__init__()
        self.viewing = viewing
        self.size = size
        generator = torch.Generator().manual_seed(VIEW_SEED)
        turns = -(-sum(viewing) * size // width)
        square = torch.randn(turns, width, width, generator=generator)
        views = torch.linalg.qr(square).Q.unflatten(2, (-1, size)).permute(0, 2, 1, 3)
        self.register_buffer("centre", torch.zeros(width), persistent=False)
        self.register_buffer("maps", views.flatten(0, 1)[: sum(viewing)].contiguous(), persistent=False)

    def fit(self, kinds: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
        """Learn centre and coordinates from clips, each kind of clip counting alike.

        Args:
            kinds: Mean tokens `(clips, width)` and classes `(clips,)` of each kind.
        """
        spread = torch.stack([_within(heard, classes) for heard, classes in kinds]).mean(0)
        values, axes = torch.linalg.eigh(spread)
        scales = (values / values.mean() + RIDGE) ** POWER
        self.centre = torch.stack([heard.mean(0) for heard, _ in kinds]).mean(0)
        self.maps = (axes * scales) @ axes.T @ self.maps

    def forward(self, head_inputs: list[torch.Tensor], heard: torch.Tensor) -> torch.Tensor:
        """Return the mean of one minus the cosine between each head and its view.

        Args:
            head_inputs: What enters each layer's output projection at the answer's position,
                `(questions, heads * size)` a layer.
            heard: Mean audio token of each question's clip `(questions, width)`; taken as given.
        """
        x_NHD = torch.cat(
            [
                x.float().unflatten(1, (-1, self.size))[:, :count]
                for x, count in zip(head_inputs, self.viewing, strict=True)
            ],
            dim=1,
        )
        views_NHD = torch.einsum("nw,hwd->nhd", heard.detach().float() - self.centre, self.maps)
        return 1 - nn.functional.cosine_similarity(x_NHD, views_NHD, dim=-1).mean()


def _within(heard: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Return the covariance within classes `(width, width)`."""
    found, place = classes.unique(return_inverse=True)
    sums = torch.zeros(len(found), heard.shape[1]).index_add(0, place, heard)
    residue = heard - (sums / place.bincount()[:, None])[place]
    return residue.T @ residue / (len(heard) - len(found))
