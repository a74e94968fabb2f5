"""Voters: few-shot classifiers on head vectors that follow scikit-learn's conventions.

They accept any `(N, H, D)` float tensor or NumPy array with any hashable labels. They depend on neither audio
nor Lightning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from calm_pl.lazy_names import lazy_names

if TYPE_CHECKING:
    from calm_pl.voters.auto import CalmAuto
    from calm_pl.voters.base import HeadVoter
    from calm_pl.voters.calm import Calm, CalmGlobal
    from calm_pl.voters.comparisons import Comparison
    from calm_pl.voters.gda import Gda
    from calm_pl.voters.head_gda import HeadGda
    from calm_pl.voters.sav import Sav
    from calm_pl.voters.settings import CalmSettings, SavSettings, VoterSettings
    from calm_pl.voters.support import Support, gather_support
    from calm_pl.voters.tower import CalmAutoWithTower, GdaWithTower, TowerGda

__all__ = [
    "Calm",
    "CalmAuto",
    "CalmAutoWithTower",
    "CalmGlobal",
    "CalmSettings",
    "Comparison",
    "Gda",
    "GdaWithTower",
    "HeadGda",
    "HeadVoter",
    "Sav",
    "SavSettings",
    "Support",
    "TowerGda",
    "VoterSettings",
    "gather_support",
]
__getattr__ = lazy_names(
    __name__,
    {
        "auto": ("CalmAuto",),
        "base": ("HeadVoter",),
        "calm": ("Calm", "CalmGlobal"),
        "comparisons": ("Comparison",),
        "gda": ("Gda",),
        "head_gda": ("HeadGda",),
        "sav": ("Sav",),
        "settings": ("CalmSettings", "SavSettings", "VoterSettings"),
        "support": ("Support", "gather_support"),
        "tower": ("CalmAutoWithTower", "GdaWithTower", "TowerGda"),
    },
)
