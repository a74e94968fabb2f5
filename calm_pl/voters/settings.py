"""Parameters of voters, shared with configurations: default, rule and description, stated once. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

from calm_pl.validation import above_zero, above_zero_or, as_in, at_least, finite_at_least, one_of, setting


@dataclass
class VoterSettings:
    """Base of a voter's parameters: a dataclass that the voter inherits, so that they become attributes."""

    def __post_init__(self) -> None:
        """Check nothing: a configuration reports all problems at once. Voters check their parameters here."""


@dataclass
class CalmSettings(VoterSettings):
    """Parameters of CALM and CALM-Global."""

    tau_p: float = setting(0.03, above_zero())
    """Temperature of the posteriors, τ_p (eq. 5)."""
    tau_w: float = setting(0.5, above_zero())
    """Temperature of the weights, τ_w (eqs. 8, 12)."""
    top_k: Optional[int] = setting(None, at_least(1))
    """Number of heads with a non-zero weight; null keeps all."""
    score: str = setting("cosine", one_of("cosine", "dot"))
    """Similarity of a clip to a centroid: `cosine`, or `dot` without normalisation (table 3, "- L2 norm")."""
    reliability: str = setting("margin_clamped", one_of("margin_clamped", "margin", "prob", "brier"))
    """Measure of a head's reliability on a clip: the posterior margin of the true class, clamped at 0 (eq. 6)
    or unclamped; the posterior alone (table 3, "- margin"); or a Brier score."""
    weight_map: str = setting("softmax", one_of("softmax", "power"))
    """Map from reliabilities to weights: `softmax` as in the paper, `power` as in the released code, w ∝
    r^(1/τ_w)."""
    shrinkage: float = setting(0.0, finite_at_least(0))
    """α, in clips: how strongly reliabilities are shrunk towards their mean; 0 is off."""
    reliability_split: str = setting("support", one_of("support", "heldout", "loo"))
    """Clips on which reliabilities are measured: `support`, those that built the centroids, as in the paper;
    `loo`, each of these held out in turn; `heldout`, further clips (data.heldout_shots)."""
    select: str = setting("none", one_of("none", "loo"))
    """`loo` replaces `tau_p`, `tau_w`, `top_k`, `weight_map` and `shrinkage` by the grid point under which
    held-out support clips are likeliest, if the given settings are worse by more than a standard error."""
    sharpness: Any = setting(1.0, above_zero_or("loo"))  # noqa: RUF009 (a number or a word)
    """γ of the probabilities p ∝ score^γ, which does not affect predictions: 1 keeps the vote shares, `loo`
    takes the γ under which held-out support clips are likeliest (1 with one clip per class)."""


@dataclass
class SavSettings(VoterSettings):
    """Parameters of SAVs."""

    top_k: Optional[int] = setting(20, at_least(1))
    """Number of heads that vote in SAVs; null uses all. Heads switched off by a mask never vote."""
    score: str = as_in(CalmSettings, "score")
