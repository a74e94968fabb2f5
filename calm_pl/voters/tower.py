"""Voters that read the pooled states of the audio tower, alone or as further heads."""

from __future__ import annotations

from calm_pl.voters.auto import CalmAuto
from calm_pl.voters.gda import Gda


class TowerGda(Gda):
    """Gaussian discriminant analysis of the audio tower's states, (N, 2, E): see `Gda`."""

    @property
    def reads(self) -> str:
        """Mean and standard deviation of the tower's states."""
        return "tower"


class GdaWithTower(Gda):
    """Gaussian discriminant analysis of heads and of the audio tower's states as further heads: see `Gda`."""

    @property
    def reads(self) -> str:
        """Head vectors, then the tower's states cut into vectors of their length."""
        return "heads_and_tower"


class CalmAutoWithTower(CalmAuto):
    """CALM-Auto on heads and the audio tower's states as further heads: see `CalmAuto`."""

    @property
    def reads(self) -> str:
        """Head vectors, then the tower's states cut into vectors of their length."""
        return "heads_and_tower"
