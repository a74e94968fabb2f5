"""Token sampling with noise that depends on seed, step and token: the same in any batch, on any device."""

from __future__ import annotations

import torch
from torch import Tensor

_TOKEN_BITS = 32  # a step's counters start this far apart: more than any vocabulary
_GOLDEN = 0x9E3779B97F4A7C15
_MIX = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)


def hashed_uniforms(seed_N: Tensor, start: int, count: int) -> Tensor:
    """Return numbers in (0, 1), (N, count) float64: each seed's SplitMix64 stream from place `start` on.

    Any place of the stream is computed without those before it (Steele, Lea and Flood, "Fast Splittable
    Pseudorandom Number Generators", 2014). A number keeps the upper 53 bits, shifted half a step away from 0.

    Args:
        seed_N: int64, its bits read as unsigned.
        start: first place, from 0.
        count: how many.
    """
    place_K = torch.arange(start + 1, start + count + 1, dtype=torch.int64, device=seed_N.device)
    z_NK = seed_N[:, None] + place_K * _signed(_GOLDEN)
    z_NK = (z_NK ^ _shifted(z_NK, 30)) * _signed(_MIX[0])
    z_NK = (z_NK ^ _shifted(z_NK, 27)) * _signed(_MIX[1])
    z_NK = z_NK ^ _shifted(z_NK, 31)
    return (_shifted(z_NK, 11).to(torch.float64) + 0.5) / 2**53


def sample_tokens(
    logits_NV: Tensor, temperature_N: Tensor, top_p: float, seed_N: Tensor, step: int
) -> Tensor:
    """Sample a token per row, (N,) int64, from softmax(logits / temperature) restricted to its nucleus.

    Uses the Gumbel trick: the token with the largest log-probability plus noise. A rounding error of the
    logits changes the token only if two tokens are that close, whatever the size of the vocabulary.

    Args:
        logits_NV: of the next token.
        temperature_N: above 0.
        top_p: cumulative probability of the kept tokens, likeliest first; 1 keeps all.
        seed_N: int64, one stream of noise per row.
        step: of the generation, from 0.
    """
    scaled_NV = logits_NV.to(torch.float32) / temperature_N[:, None].to(torch.float32)
    if top_p < 1:
        scaled_NV = scaled_NV.masked_fill(~nucleus(scaled_NV, top_p), -torch.inf)
    u_NV = hashed_uniforms(seed_N, step << _TOKEN_BITS, logits_NV.shape[1])
    return (scaled_NV - (-u_NV.log()).log()).argmax(-1)


def nucleus(logits_NV: Tensor, top_p: float) -> Tensor:
    """Return the likeliest tokens that together reach a probability, (N, V) bool; at least one.

    Equally likely tokens are taken in the order of their ids.
    """
    p_NV, order_NV = torch.softmax(logits_NV, -1).sort(dim=-1, descending=True, stable=True)
    before_NV = p_NV.to(torch.float64).cumsum(-1) - p_NV
    inside_NV = before_NV < top_p
    inside_NV[:, 0] = True
    return torch.zeros_like(inside_NV).scatter(1, order_NV, inside_NV)


def _shifted(z: Tensor, bits: int) -> Tensor:
    """Shift right and fill with zeros, as for unsigned numbers."""
    return (z >> bits) & ((1 << (64 - bits)) - 1)


def _signed(number: int) -> int:
    """Return the int64 with the bits of an unsigned number."""
    return number - (1 << 64) if number >= 1 << 63 else number
