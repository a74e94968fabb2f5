"""Voters: few-shot classifiers on head vectors, with scikit-learn habits.

They work on any `(N, H, D)` float tensor or NumPy array with any hashable labels, and know neither audio nor
Lightning.
"""

from calm_pl.voters.auto import CalmAuto
from calm_pl.voters.base import HeadVoter
from calm_pl.voters.calm import Calm, CalmGlobal
from calm_pl.voters.comparisons import Comparison
from calm_pl.voters.gda import Gda
from calm_pl.voters.sav import Sav
from calm_pl.voters.support import Support, gather_support

__all__ = [
    "Calm",
    "CalmAuto",
    "CalmGlobal",
    "Comparison",
    "Gda",
    "HeadVoter",
    "Sav",
    "Support",
    "gather_support",
]
