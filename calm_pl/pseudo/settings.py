"""Settings of pseudo-labels."""

from __future__ import annotations

from dataclasses import dataclass

from calm_pl.validation import above_zero, above_zero_to_one, at_least, fraction, setting

JUDGE = "calm"  # the voter that self-training labels by


@dataclass
class PseudoSettings:
    """How clips are labelled by sampled answers of the model (CALM, section 3.3)."""

    rollouts: int = setting(10, at_least(1))
    """Sampled answers a clip."""
    temperature_low: float = setting(1.0, above_zero())
    """Each rollout's temperature is drawn between this ..."""
    temperature_high: float = setting(2.5, above_zero())
    """... and this."""
    top_p: float = setting(1.0, above_zero_to_one())
    """Share of probability that tokens are sampled from, the likeliest first; 1 samples from all."""
    min_agreement: float = setting(0.5, above_zero_to_one())
    """Share of a clip's rollouts, unparsable ones included, that must agree for the clip to be kept."""
    seed: int = 0
    """Draws temperatures and tokens, with the clip's id."""
    max_new_tokens: int = setting(16, at_least(1))
    """Tokens of the longest answer."""
    rounds: int = setting(0, at_least(0))
    """Self-training: how often CALM, fitted on the labels so far, labels all clips anew."""
    min_posterior: float = setting(0.5, fraction())
    """In self-training: the probability from which on CALM's label of a clip is kept."""
