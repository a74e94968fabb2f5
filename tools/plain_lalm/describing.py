"""What can be told from a clip's log-mel features alone: how loud, how high, when, how often."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn


class Acoustic(NamedTuple):
    """A question that every clip has an answer to."""

    question: str
    answers: tuple[str, str, str]
    limits: tuple[float, float]
    """What is measured lies below the first, between them, or at the second or above."""


ACOUSTIC: dict[str, Acoustic] = {
    "loud": Acoustic("How loud is the audio?", ("quiet", "moderate", "loud"), (1.1, 1.4)),
    "when": Acoustic("When is the audio loudest?", ("start", "middle", "end"), (1 / 3, 2 / 3)),
    "high": Acoustic("How high is the audio?", ("low", "central", "high"), (10, 20)),
    "share": Acoustic("How much of the audio is loud?", ("little", "half", "most"), (0.35, 0.65)),
    "often": Acoustic("How often does the audio begin?", ("once", "twice", "often"), (1.5, 2.5)),
    "way": Acoustic("Which way does the audio go?", ("down", "level", "up"), (-0.8, 0.5)),
    "background": Acoustic("How noisy is the background?", ("clean", "faint", "noisy"), (-4.5, -2)),
    "tonal": Acoustic("How tonal is the audio?", ("hissing", "mixed", "ringing"), (2.2, 3.3)),
}
"""Limits near the terciles of augmented training clips."""

DECADES = 4.0
"""Decades of power in one unit of Whisper's features."""


def measure(mels: torch.Tensor, frames: torch.Tensor) -> dict[str, torch.Tensor]:
    """Measure each clip.

    Args:
        mels: `(clips, bins, time)`, features of Whisper's scale.
        frames: `(clips,)`: frames of each clip that are there.

    Returns:
        One number a clip by question: peak; place of the loudest moment (0 to 1); power's mean bin; share of
        frames within 10 dB of the loudest; rises to that level; mean bin of the second half minus that of the
        first; a quiet moment's level below the loudest, in decades; how far the strongest bin of loud frames
        stands above their mean bin, in decades.
    """
    bins, length = mels.shape[1:]
    time = torch.arange(length)[None]
    valid = time < frames[:, None]
    log_power = DECADES * mels.transpose(1, 2)
    log_power = log_power.masked_fill(~valid[..., None], -99.0)
    peak = log_power.amax((1, 2))
    power = 10 ** (log_power - peak[:, None, None])
    energy = power.sum(2)
    smooth = nn.functional.avg_pool1d(energy[:, None], 5, 1, 2, count_include_pad=False)[:, 0]
    level = (smooth + 1e-9).log10().masked_fill(~valid, -99.0)
    level = level - level.amax(1, keepdim=True)
    loud = level > -1
    axis = torch.arange(bins, dtype=torch.float32)
    middle = (frames / 2)[:, None]

    def mean_bin(chosen: torch.Tensor) -> torch.Tensor:
        spectrum = (power * chosen[..., None]).sum(1)
        return (spectrum @ axis) / (spectrum.sum(1) + 1e-9)

    quiet = torch.stack([row[:n].quantile(0.1) for row, n in zip(level, frames.tolist(), strict=True)])
    above = (log_power.amax(2) - log_power.mean(2)) * loud
    return {
        "loud": mels.masked_fill(~valid[:, None], -99.0).amax((1, 2)),
        "when": level.argmax(1) / frames,
        "high": mean_bin(valid),
        "share": loud.sum(1) / frames,
        "often": _rises(level),
        "way": mean_bin(valid & (time >= middle)) - mean_bin(valid & (time < middle)),
        "background": quiet,
        "tonal": above.sum(1) / loud.sum(1),
    }


def _rises(level: torch.Tensor) -> torch.Tensor:
    """Count how often the level comes within 10 dB of its maximum from 15 dB below it or further."""
    up, count = torch.zeros(len(level), dtype=torch.bool), torch.zeros(len(level))
    for column in level.T:
        begins = ~up & (column > -1)
        count += begins
        up = (up | begins) & (column > -1.5)
    return count
