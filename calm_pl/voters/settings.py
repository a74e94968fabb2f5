"""Parameters of voters that a configuration has too: default, rule and text stand here, once. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

from calm_pl.validation import above_zero, above_zero_or, as_in, at_least, finite_at_least, one_of, setting


@dataclass
class VoterSettings:
    """Base of a voter's parameters: a dataclass that the voter inherits, so that they are its attributes."""

    def __post_init__(self) -> None:
        """Do nothing: a configuration tells all its faults at once. Voters check theirs here."""


@dataclass
class CalmSettings(VoterSettings):
    """Parameters of CALM and CALM-Global."""

    tau_p: float = setting(0.03, above_zero())
    """Temperature of the posteriors, τ_p (eq. 5)."""
    tau_w: float = setting(0.5, above_zero())
    """Temperature of the weights, τ_w (eqs. 8, 12)."""
    top_k: Optional[int] = setting(None, at_least(1))
    """Heads that keep a weight; all of them unless a number is given."""
    score: str = setting("cosine", one_of("cosine", "dot"))
    """How close a clip is to a centroid: `dot` is without normalisation (table 3, "- L2 norm")."""
    reliability: str = setting("margin_clamped", one_of("margin_clamped", "margin", "prob", "brier"))
    """What makes a head reliable for a clip: the posterior margin of the true class, at least 0 (eq. 6) or as
    it is, its posterior alone (table 3, "- margin"), or a Brier score."""
    weight_map: str = setting("softmax", one_of("softmax", "power"))
    """From reliabilities to weights: `softmax` is the paper's, `power` the released code's, w ∝ r^(1/τ_w)."""
    shrinkage: float = setting(0.0, finite_at_least(0))
    """α in clips: how far reliabilities are drawn towards their mean; 0 is off."""
    reliability_split: str = setting("support", one_of("support", "heldout", "loo"))
    """`support`, the paper's, judges heads on the clips that built the centroids, `loo` on each of these
    clips left out in turn, `heldout` on further clips (data.heldout_shots)."""
    select: str = setting("none", one_of("none", "loo"))
    """`loo` takes instead of `tau_p`, `tau_w`, `top_k`, `weight_map` and `shrinkage` those of a grid that
    make left-out support clips likeliest, if the given ones are worse by more than a standard error."""
    sharpness: Any = setting(1.0, above_zero_or("loo"))  # noqa: RUF009 (a number or a word)
    """γ of the probabilities p ∝ score^γ, which changes no winner: 1 leaves the shares of the votes, `loo`
    takes the γ that makes left-out support clips likeliest (1 with one clip a class)."""


@dataclass
class SavSettings(VoterSettings):
    """Parameters of SAVs."""

    top_k: Optional[int] = setting(20, at_least(1))
    """Heads that vote in SAVs; all of them where there is no number, and never more than a mask left on."""
    score: str = as_in(CalmSettings, "score")
