"""What is kept of a clip besides its head vectors, as further rows of their length."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from calm_pl.methods import Reads

if TYPE_CHECKING:
    from calm_pl.models import DeferredLALM, FrozenLALM, LalmOutput

_TOWER = (Reads.TOWER, Reads.HEADS_AND_TOWER)


class Kept(NamedTuple):
    """Parts that follow the head vectors, each in ⌈E/D⌉ rows of length D, the last one padded with zeros.

    E is the size of what is kept, another one for hidden states than for the tower.

    Attributes:
        hidden: the hidden state of the last layer, the first part.
        tower: mean and standard deviation of the audio tower's states, the last two parts.
    """

    hidden: bool = False
    tower: bool = False

    @classmethod
    def for_reads(cls, reads: Iterable[Reads]) -> Kept:
        """Return the parts that methods read."""
        wanted = set(reads)
        return cls(Reads.HIDDEN in wanted, not wanted.isdisjoint(_TOWER))

    def __or__(self, other: Kept) -> Kept:
        """Return the parts of both."""
        return Kept(self.hidden or other.hidden, self.tower or other.tower)

    def rows(self, output: LalmOutput) -> Tensor:
        """Return the head vectors of a pass and the parts that are kept, (N, H + rows, D)."""
        dim = output.vectors_NHD.shape[2]
        found = [output.vectors_NHD]
        if self.hidden:
            found.append(_as_rows(output.hidden_NE[:, None], dim))
        if self.tower:
            assert output.tower_N2E is not None
            found.append(_as_rows(output.tower_N2E, dim))
        return torch.cat(found, 1) if len(found) > 1 else found[0]

    def read(self, reads: Reads, vectors_NHD: Tensor, lalm: FrozenLALM | DeferredLALM) -> Tensor:
        """Return what a method reads from kept rows.

        Args:
            reads: what it reads, which must be kept.
            vectors_NHD: kept rows, the heads first.
            lalm: the model, whose numbers of heads and of hidden values are needed.

        Returns:
            `HEADS`: (N, H, D). `HIDDEN`: (N, 1, E) with zeros at the end. `TOWER`: mean and standard
            deviation as two vectors, (N, 2, E). `HEADS_AND_TOWER`: the heads and, cut into vectors of length
            D, the tower, (N, H + 2·⌈E/D⌉, D).
        """
        heads, dim = lalm.layout.num_heads, lalm.layout.head_dim
        if reads is Reads.HEADS:
            return vectors_NHD[:, :heads]
        hidden = -(-lalm.hidden_size // dim) if self.hidden else 0
        hidden_NRD, tower_NRD = vectors_NHD[:, heads : heads + hidden], vectors_NHD[:, heads + hidden :]
        if reads is Reads.HIDDEN:
            return hidden_NRD.flatten(1)[:, None]
        if reads is Reads.TOWER:
            return tower_NRD.reshape(len(tower_NRD), 2, tower_NRD.shape[1] // 2 * dim)
        return torch.cat([vectors_NHD[:, :heads], tower_NRD], 1)


HEADS_ONLY = Kept()


def _as_rows(parts_NPE: Tensor, dim: int) -> Tensor:
    """Cut each of P vectors into rows of length `dim`, padded with zeros, (N, P·⌈E/D⌉, D)."""
    padded_NPE = torch.nn.functional.pad(parts_NPE, (0, -parts_NPE.shape[2] % dim))
    return padded_NPE.reshape(len(parts_NPE), -1, dim)
