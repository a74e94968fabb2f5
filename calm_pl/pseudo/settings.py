"""Settings of pseudo-labels."""

from __future__ import annotations

from dataclasses import dataclass

from calm_pl.validation import above_zero, above_zero_to_one, at_least, fraction, setting

JUDGE = "calm"  # the voter that relabels clips in self-training


@dataclass
class PseudoSettings:
    """How clips are labelled from the model's sampled answers (CALM, section 3.3)."""

    rollouts: int = setting(10, at_least(1))
    """Sampled answers per clip."""
    temperature_low: float = setting(1.0, above_zero())
    """Lower bound of each rollout's random temperature."""
    temperature_high: float = setting(2.5, above_zero())
    """Upper bound of each rollout's random temperature."""
    top_p: float = setting(1.0, above_zero_to_one())
    """Cumulative probability of the tokens to sample from, likeliest first; 1 samples from all."""
    min_agreement: float = setting(0.5, above_zero_to_one())
    """Share of a clip's rollouts, unparsable ones included, that must agree for the clip to be kept."""
    seed: int = 0
    """Seed for temperatures and tokens, together with the clip's id."""
    max_new_tokens: int = setting(16, at_least(1))
    """Maximum number of tokens per answer."""
    rounds: int = setting(0, at_least(0))
    """Self-training rounds: how often CALM, fitted on the current labels, relabels all clips."""
    min_posterior: float = setting(0.5, fraction())
    """In self-training: the minimum probability at which CALM's label of a clip is kept."""
