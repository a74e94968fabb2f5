"""What keeps single decoder heads meaningful: each tells the class it hears from its own vector."""

from __future__ import annotations

import torch
from torch import nn

SHARPNESS = 12.0


class HeadTeller(nn.Module):
    """Maps every head's vector to the space of class vectors; serves training alone."""

    def __init__(self, layers: int, telling: int, size: int, width: int) -> None:
        super().__init__()
        self.maps = nn.Parameter(torch.randn(layers, telling, size, width) / size**0.5)

    def forward(
        self, head_inputs: list[torch.Tensor], targets: torch.Tensor, vectors: torch.Tensor
    ) -> torch.Tensor:
        """Return the mean cross-entropy over heads and clips, among the classes of the batch.

        Args:
            head_inputs: What enters each layer's output projection, `(clips, width)` a layer.
            targets: The class of each clip, a row of ``vectors``.
            vectors: Unit vectors of all classes.
        """
        telling, size = self.maps.shape[1:3]
        x_NLAD = torch.stack(head_inputs, dim=1).unflatten(2, (-1, size))[:, :, :telling]
        x_NLAD = nn.functional.normalize(x_NLAD.float(), dim=-1)
        told = torch.einsum("nlad,lade->nlae", x_NLAD, self.maps)
        classes, label = targets.unique(return_inverse=True)
        told = nn.functional.normalize(told, dim=-1)
        scores = SHARPNESS * torch.einsum("nlae,ce->nlac", told, vectors[classes])
        label = label[:, None, None].expand(scores.shape[:-1])
        return nn.functional.cross_entropy(scores.flatten(0, 2), label.flatten())
