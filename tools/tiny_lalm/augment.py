"""Augmentation of log-mel clips: pace, place, pitch, colour, noise, band limits and masks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from tiny_lalm.build import MAX_FRAMES, MEL_BINS
from tiny_lalm.corpus import Corpus
from tiny_lalm.mels import FLOOR, scale


class Features(NamedTuple):
    """A batch for the tower: `(clips, bins, frames)` and each clip's valid frames."""

    mels: torch.Tensor
    frames: torch.Tensor


class Layout(NamedTuple):
    """Where each clip of a batch starts, how fast it runs and how long it lasts."""

    start: np.ndarray
    rate: np.ndarray
    lead: np.ndarray
    frames: np.ndarray


def speech_layout(corpus: Corpus, rows: np.ndarray, rng: np.random.Generator) -> Layout:
    """Keep words whole, at a random pace, with silence before and after."""
    rate = rng.uniform(0.8, 1.3, len(rows))
    lead = rng.integers(0, 20, len(rows)) * (rng.random(len(rows)) < 0.7)
    tail = rng.integers(0, 20, len(rows)) * (rng.random(len(rows)) < 0.7)
    own = np.array([corpus.clips[row].frames for row in rows]) / rate
    frames = np.minimum(own.astype(int) + lead + tail, MAX_FRAMES)
    return Layout(np.zeros(len(rows)), rate, lead, np.maximum(frames, 12))


def sound_layout(corpus: Corpus, rows: np.ndarray, rng: np.random.Generator, longest: int) -> Layout:
    """Cut up to ``longest`` frames around each clip's loudest frame."""
    rate = rng.uniform(0.85, 1.2, len(rows))
    own = np.array([corpus.clips[row].frames for row in rows])
    peak = np.array([corpus.clips[row].peak for row in rows])
    start = np.clip(peak - rng.random(len(rows)) * longest * rate, 0, None)
    start = np.minimum(start, np.maximum(0, own - longest * rate))
    room = np.maximum(0, longest - own / rate)
    lead = (rng.random(len(rows)) * room * (rng.random(len(rows)) < 0.5)).astype(int)
    return Layout(start, rate, lead, np.full(len(rows), longest))


def plain_layout(corpus: Corpus, rows: np.ndarray) -> Layout:
    """Take every clip as it is."""
    frames = np.array([corpus.clips[row].frames for row in rows])
    zeros = np.zeros(len(rows))
    return Layout(zeros, zeros + 1, zeros, frames)


def gather(corpus: Corpus, rows: np.ndarray, layout: Layout) -> tuple[torch.Tensor, torch.Tensor]:
    """Read clips `(clips, frames, bins)` at their pace; return them and the valid frames."""
    offset = torch.tensor([corpus.clips[row].offset for row in rows])[:, None]
    last = torch.tensor([corpus.clips[row].frames - 1 for row in rows])[:, None]
    length = int(layout.frames.max())
    length = min(length + length % 2 + 2, MAX_FRAMES)
    start, rate, lead = (
        torch.as_tensor(np.asarray(part), dtype=torch.float32)[:, None] for part in layout[:3]
    )
    position = start + (torch.arange(length)[None] - lead) * rate
    valid = torch.arange(length)[None] < torch.as_tensor(layout.frames)[:, None]
    inside = (position >= 0) & (position <= last) & valid
    low = position.clamp(min=0).floor().long().minimum(last)
    high = (low + 1).minimum(last)
    share = (position - low).clamp(0, 1)[..., None]
    first = corpus.frames[offset + low].float()
    clips = first + (corpus.frames[offset + high].float() - first) * share
    return torch.where(inside[..., None], clips, torch.tensor(FLOOR)), valid


def _warp(clips: torch.Tensor, rng: np.random.Generator, spread: float) -> torch.Tensor:
    """Stretch the frequency axis, as a longer or shorter vocal tract would."""
    factor = torch.as_tensor(np.exp(rng.uniform(-spread, spread, len(clips))), dtype=torch.float32)
    position = (torch.arange(MEL_BINS)[None] * factor[:, None]).clamp(max=MEL_BINS - 1.001)
    low = position.floor().long()
    share = (position - low)[:, None]
    shape = (-1, clips.shape[1], -1)
    first = clips.gather(2, low[:, None].expand(*shape))
    second = clips.gather(2, (low + 1)[:, None].expand(*shape))
    return first * (1 - share) + second * share


def _colour(count: int, rng: np.random.Generator, strength: float) -> torch.Tensor:
    """Return smooth random curves over the bins `(count, 1, bins)` in decades."""
    axis = np.linspace(0, np.pi, MEL_BINS)
    waves = np.stack([np.cos(k * axis) for k in (1, 2, 3, 4)])
    weights = rng.standard_normal((count, 4)) * strength / np.array([1, 1.5, 2, 3])
    return torch.as_tensor(weights @ waves, dtype=torch.float32)[:, None]


def _add_noise(clips: torch.Tensor, rng: np.random.Generator, share: float) -> torch.Tensor:
    """Add stationary noise of random colour, 1.8 to 6 decades below the peak."""
    count = len(clips)
    peak = clips.amax(dim=(1, 2), keepdim=True)
    depth = torch.as_tensor(rng.uniform(1.8, 6.0, (count, 1, 1)), dtype=torch.float32)
    off = torch.as_tensor(rng.random((count, 1, 1)) > share)
    level = peak - depth + _colour(count, rng, 0.7)
    level = level + 0.25 * torch.randn(clips.shape)
    level = torch.where(off, torch.tensor(FLOOR), level)
    return torch.logaddexp(clips * 2.302585, level * 2.302585) / 2.302585


def _limit_band(clips: torch.Tensor, rng: np.random.Generator, share: float) -> torch.Tensor:
    """Silence what lies above 3.3 to 4.2 kHz in a share of the clips, as a telephone does."""
    top = rng.integers(42, 49, len(clips))
    bottom = np.where(rng.random(len(clips)) < 0.4, rng.integers(0, 6, len(clips)), 0)
    limited = torch.as_tensor(rng.random(len(clips)) < share)[:, None, None]
    bins = torch.arange(MEL_BINS)[None, None]
    above = bins >= torch.as_tensor(top)[:, None, None]
    below = bins < torch.as_tensor(bottom)[:, None, None]
    residue = clips - torch.as_tensor(rng.uniform(3, 7, (len(clips), 1, 1)), dtype=torch.float32)
    return torch.where(limited & (above | below), residue.clamp(min=FLOOR), clips)


def _mask(features: torch.Tensor, valid: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Blank one band and one stretch of time in half of the clips (SpecAugment)."""
    count, length, _ = features.shape
    mean = features.mean(dim=(1, 2), keepdim=True)
    bins = torch.arange(MEL_BINS)[None, None]
    times = torch.arange(length)[None, :, None]
    frames = valid.sum(1).numpy()
    first_bin = torch.as_tensor(rng.integers(0, MEL_BINS - 8, count))[:, None, None]
    width = torch.as_tensor(rng.integers(0, 9, count))[:, None, None]
    first = torch.as_tensor((rng.random(count) * frames * 0.9).astype(int))[:, None, None]
    span = torch.as_tensor((rng.random(count) * frames * 0.12).astype(int))[:, None, None]
    hidden = (bins >= first_bin) & (bins < first_bin + width)
    hidden = hidden | ((times >= first) & (times < first + span))
    chosen = torch.as_tensor(rng.random(count) < 0.5)[:, None, None]
    return torch.where(hidden & chosen, mean, features)


def augmented(
    corpus: Corpus, rows: np.ndarray, layout: Layout, rng: np.random.Generator, speech: bool
) -> Features:
    """Return a training batch with every augmentation applied."""
    clips, valid = gather(corpus, rows, layout)
    clips = _warp(clips, rng, 0.12 if speech else 0.1)
    clips = clips + _colour(len(rows), rng, 0.35)
    clips = _add_noise(clips, rng, 0.6 if speech else 0.4)
    clips = _limit_band(clips, rng, 0.55 if speech else 0.15)
    clips = torch.where(valid[..., None], clips.clamp(min=FLOOR), torch.tensor(FLOOR))
    features = _mask(scale(clips), valid, rng)
    return Features(features.transpose(1, 2), valid.sum(1))


def plain(corpus: Corpus, rows: np.ndarray) -> Features:
    """Return clips as the processor would give them to the tower."""
    clips, valid = gather(corpus, rows, plain_layout(corpus, rows))
    return Features(scale(clips).transpose(1, 2), valid.sum(1))
