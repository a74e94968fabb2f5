"""Raw log-mel frames of a clip, before Whisper's per-clip scaling, and that scaling."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

from tiny_lalm.build import MAX_FRAMES, build_processor

HOP = 160
FLOOR = -10.0
"""log10 of the smallest power that Whisper's features keep."""


@cache
def _filters() -> torch.Tensor:
    filters = build_processor().feature_extractor.mel_filters
    return torch.from_numpy(np.asarray(filters)).float()


def log_mel(wave: np.ndarray) -> torch.Tensor:
    """Return `(frames, bins)` log10 mel power, as the processor computes it before scaling."""
    frames = min(MAX_FRAMES, -(-len(wave) // HOP))
    padded = torch.zeros(frames * HOP + 4 * HOP)
    clip = torch.from_numpy(np.asarray(wave[: frames * HOP], dtype=np.float32))
    padded[: len(clip)] = clip
    spectrum = torch.stft(padded, 400, HOP, window=torch.hann_window(400), return_complex=True)
    power = spectrum[:, :frames].abs() ** 2
    return (power.T @ _filters()).clamp(min=10**FLOOR).log10()


def scale(logmel: torch.Tensor) -> torch.Tensor:
    """Apply Whisper's scaling to `(clips, frames, bins)`: 8 decades below the clip's peak."""
    peak = logmel.amax(dim=(1, 2), keepdim=True)
    return (torch.maximum(logmel, peak - 8.0) + 4.0) / 4.0
