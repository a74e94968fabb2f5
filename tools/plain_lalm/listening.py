"""What the trained tower makes of augmented clips, kept with all that can be asked about each clip."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from transformers.models.qwen2_audio.modeling_qwen2_audio import Qwen2AudioEncoder

from plain_lalm.dialogues import Interviewer, Turn
from tiny_lalm.augment import Features, augmented, sound_layout, speech_layout
from tiny_lalm.batches import SOUND_FRAME_SHARES, SOUND_FRAMES
from tiny_lalm.corpus import Clip, Corpus
from tiny_lalm.tower_pass import flatten, tower_states

PEAKS = (0.8, 1.7)
"""Range of the clips' peaks in units of Whisper's features, which says how loud they are."""


class Heard(NamedTuple):
    """Clips as the tower heard them."""

    states: torch.Tensor
    """`(total, tower width)`, float16: the tower's output for all clips in a row."""
    starts: torch.Tensor
    """`(clips,)`: each clip's first state."""
    counts: torch.Tensor
    clips: list[Clip]
    turns: list[dict[str, Turn]]
    """What can be asked about each clip, besides what it is."""


def at_peak(features: Features, peaks: torch.Tensor) -> Features:
    """Make clips as loud as ``peaks`` `(clips,)` says; in log-mel features this adds a constant."""
    return features._replace(mels=features.mels + (peaks - features.mels.amax((1, 2)))[:, None, None])


def at_any_level(features: Features, rng: np.random.Generator) -> Features:
    """Draw how loud each clip is."""
    peaks = torch.as_tensor(rng.uniform(*PEAKS, len(features.frames)), dtype=torch.float32)
    return at_peak(features, peaks)


def augmented_features(corpus: Corpus, rows: np.ndarray, rng: np.random.Generator, speech: bool) -> Features:
    """Augment clips of one kind, at any level."""
    if speech:
        layout = speech_layout(corpus, rows, rng)
    else:
        layout = sound_layout(corpus, rows, rng, int(rng.choice(SOUND_FRAMES, p=SOUND_FRAME_SHARES)))
    return at_any_level(augmented(corpus, rows, layout, rng, speech), rng)


@torch.inference_mode()
def listen(
    tower: Qwen2AudioEncoder,
    corpus: Corpus,
    rows: np.ndarray,
    draw: Callable[[np.ndarray], Features],
    interviewer: Interviewer,
    at_once: int = 48,
) -> Heard:
    """Run the tower over clips once.

    Args:
        tower: frozen.
        corpus: holds the clips.
        rows: which clips.
        draw: their features.
        interviewer: asks about what was heard.
        at_once: clips of a batch.
    """
    states, counts = [], []
    turns: list[dict[str, Turn]] = []
    for first in range(0, len(rows), at_once):
        some = rows[first : first + at_once]
        features = draw(some)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            _, heard, lengths = tower_states(tower, features)
        states.append(flatten(heard, lengths).half())
        counts.append(lengths)
        turns += interviewer.turns([corpus.clips[row] for row in some], features)
    lengths = torch.cat(counts)
    clips = [corpus.clips[row] for row in rows]
    return Heard(torch.cat(states), lengths.cumsum(0) - lengths, lengths, clips, turns)
