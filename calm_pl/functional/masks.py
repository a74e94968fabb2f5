"""Masks over attention heads, and their training (AHAMask, arXiv 2509.01787).

A mask holds 0 or 1 for each of A heads in L layers. Training keeps one logit M per head; a head is on with
probability exp(-e^(-M)), and a trained mask has the heads with M >= 0 on.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor


class SampledMask(NamedTuple):
    """A straight-through sample.

    Attributes:
        hard: 0 or 1 in value, with the gradient of `soft`.
        soft: σ((M + g)/τ), between 0 and 1.
    """

    hard: Tensor
    soft: Tensor


def initial_logits(
    num_layers: int, heads_per_layer: int, generator: torch.Generator, mean: float = 4.0, std: float = 0.02
) -> Tensor:
    """Draw logits M ~ N(mean, std), (L, A) float32; at 4 a head is on 98.2 % of the time."""
    return mean + std * torch.randn(num_layers, heads_per_layer, generator=generator)


def left_gumbel(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Draw left-tail Gumbel noise g = log E, E ~ Exp(1), float32."""
    exponential = torch.empty(shape).exponential_(generator=generator)
    return exponential.clamp(min=torch.finfo(torch.float32).tiny).log()


def sample_masks(logits_LA: Tensor, noise_NLA: Tensor, tau: float) -> SampledMask:
    """Sample one mask per row, (N, L, A) float32: on where σ((M + g)/τ) > 1/2, with that sigmoid's gradient.

    τ affects only the gradient: whether a head is on does not depend on it.

    Args:
        logits_LA: M; computed in float32.
        noise_NLA: g, see `left_gumbel`.
        tau: τ > 0.
    """
    soft = torch.sigmoid((logits_LA.to(torch.float32) + noise_NLA) / tau)
    # The bracket is exactly 0 in value.
    return SampledMask((soft > 0.5).to(torch.float32) + (soft - soft.detach()), soft)


def probability_on(logits: Tensor) -> Tensor:
    """Return the probability exp(-e^(-M)) that a sampled head is on; 0.368 at M = 0."""
    return torch.exp(-torch.exp(-logits))


def trained_mask(logits_LA: Tensor) -> Tensor:
    """Return the mask to use after training, bool: M >= 0."""
    return logits_LA >= 0


def sparsity_loss(masks_NLA: Tensor, weight: float) -> Tensor:
    """Return λ times the number of active heads, averaged over rows."""
    return weight * masks_NLA.sum((1, 2)).mean()


def annealed_tau(
    step: int, num_steps: int, start: float = 4.0, end: float = 0.5, share: float = 0.3
) -> float:
    """Return τ at a step: linear from `start` to `end` over the first `share` of the steps, then `end`."""
    span = share * num_steps
    return end if step >= span else start + (end - start) * step / span


def warmed_cosine(step: int, num_steps: int, warmup: int, peak: float, last: float) -> float:
    """Return the learning rate at a step (from 0): linear up to `peak` at `warmup`, then a cosine to `last`.

    The first step has 1/`warmup` of the peak rather than 0; the last of `num_steps` has `last`.
    """
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = min(1.0, (step - warmup) / max(1, num_steps - 1 - warmup))
    return last + (peak - last) * (1 + math.cos(math.pi * progress)) / 2


def random_mask(num_layers: int, heads_per_layer: int, num_on: int, generator: torch.Generator) -> Tensor:
    """Draw a mask with `num_on` heads on, uniformly among all such masks, (L, A) bool."""
    on_H = torch.zeros(num_layers * heads_per_layer, dtype=torch.bool)
    on_H[torch.randperm(len(on_H), generator=generator)[:num_on]] = True
    return on_H.reshape(num_layers, heads_per_layer)


def jaccard(masks_MLA: Tensor) -> Tensor:
    """Return the Jaccard similarity of the active heads, for every pair of M masks, (M, M) float64.

    Two masks without active heads have similarity 1.
    """
    on_MH = masks_MLA.flatten(1).to(torch.float64)
    both_MM = on_MH @ on_MH.T
    count_M = on_MH.sum(1)
    either_MM = count_M[:, None] + count_M[None] - both_MM
    return torch.where(either_MM > 0, both_MM / either_MM.clamp(min=1), torch.ones_like(both_MM))
