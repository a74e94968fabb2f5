"""Sampled tokens whose noise is a function of seed, step and token: the same in any batch, on any device."""

from __future__ import annotations

import torch
from torch import Tensor

_TOKEN_BITS = 32  # a step's counters start this far apart: more than any vocabulary
_GOLDEN = 0x9E3779B97F4A7C15
_MIX = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)


def hashed_uniforms(seed_N: Tensor, start: int, count: int) -> Tensor:
    """Numbers in (0, 1), (N, count) float64: places `start` onwards of each seed's SplitMix64 stream.

    Any place of the stream is had without those before it (Steele, Lea and Flood, "Fast Splittable
    Pseudorandom Number Generators", 2014). A number keeps the upper 53 bits, moved half a step off 0.

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
    """A token of each row, (N,) int64, drawn from softmax(logits / temperature) cut to its nucleus.

    By the Gumbel trick: the token with the largest log-probability plus noise. A rounding error of the
    logits changes it only where two tokens come that close, whatever the size of the vocabulary.

    Args:
        logits_NV: of the next token.
        temperature_N: above 0.
        top_p: share of probability that the kept tokens reach together, the likeliest first; 1 keeps all.
        seed_N: int64, one stream of noise a row.
        step: of the generation, from 0.
    """
    scaled_NV = logits_NV.to(torch.float32) / temperature_N[:, None].to(torch.float32)
    if top_p < 1:
        scaled_NV = scaled_NV.masked_fill(~nucleus(scaled_NV, top_p), -torch.inf)
    u_NV = hashed_uniforms(seed_N, step << _TOKEN_BITS, logits_NV.shape[1])
    return (scaled_NV - (-u_NV.log()).log()).argmax(-1)


def nucleus(logits_NV: Tensor, top_p: float) -> Tensor:
    """The likeliest tokens that reach a share of the probability together, (N, V) bool; one at least.

    Equal tokens count in the order of their ids.
    """
    p_NV, order_NV = torch.softmax(logits_NV, -1).sort(dim=-1, descending=True, stable=True)
    before_NV = p_NV.to(torch.float64).cumsum(-1) - p_NV
    inside_NV = before_NV < top_p
    inside_NV[:, 0] = True
    return torch.zeros_like(inside_NV).scatter(1, order_NV, inside_NV)


def _shifted(z: Tensor, bits: int) -> Tensor:
    """A shift to the right that brings zeros, as of unsigned numbers."""
    return (z >> bits) & ((1 << (64 - bits)) - 1)


def _signed(number: int) -> int:
    """The int64 with the bits of an unsigned number."""
    return number - (1 << 64) if number >= 1 << 63 else number
