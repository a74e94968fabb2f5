"""Shared parts of families with Whisper's encoder: log-mel frames, two halvings per token, a fixed window.

The audio tower runs on the frames there are rather than on its full window, exactly: what lies beyond is
masked out of its attention. Not for towers without that mask.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from torch import Tensor, nn

from calm_pl.models.families.table import Inputs
from calm_pl.models.tower import Tower

PROJECTED = Tower(lambda model: model.model.multi_modal_projector)
"""Where the states of a tower with a projector behind it are."""


def window_frames(frames: int) -> int:
    """Return the mel frames that an encoder needs for `frames` valid ones: an even number, two or three more.

    They show the two convolutions all that they see of the padding; the rest is masked out of attention.
    """
    return frames + frames % 2 + 2


def mel_frames(extractor: Any, num_samples: int) -> int:
    """Return the valid frames of a clip, including a partial last one."""
    return math.ceil(num_samples / int(extractor.hop_length))


def token_rule(extractor: Any, num_samples: int) -> int:
    """Return the audio placeholders of a clip: a convolution of stride 2, then a pooling of stride 2."""
    return ((mel_frames(extractor, num_samples) - 1) // 2 + 1 - 2) // 2 + 1


def audio_settings(extractor: Any, waveforms: Sequence[np.ndarray]) -> dict[str, Any]:
    """Pad to the longest clip only: the features are a bit-for-bit prefix of the full window's."""
    frames = max(mel_frames(extractor, len(waveform)) for waveform in waveforms)
    return {"max_length": min(window_frames(frames) * int(extractor.hop_length), int(extractor.n_samples))}


def prefill(model: Any, inputs: Inputs, positions_NT: Tensor, use_cache: bool, mask: str) -> Any:
    """Run the inner model, with the tower's window cut to the longest clip of the batch.

    Args:
        model: a model with `model.audio_tower`.
        inputs: its inputs.
        positions_NT: of the tokens.
        use_cache: keep keys and values.
        mask: name of the mask over mel frames.
    """
    frames = int(inputs[mask].sum(-1).max())
    with tower_window(model.model.audio_tower, frames) as window:
        cut = {name: inputs[name][..., :window] for name in ("input_features", mask)}
        return model.model(**{**inputs, **cut}, position_ids=positions_NT, use_cache=use_cache)


@contextmanager
def tower_window(tower: Any, frames: int) -> Iterator[int]:
    """Let the audio tower take just as many mel frames as `frames` valid ones need; yields that number."""
    full_positions = tower.config.max_source_positions
    table = tower.embed_positions
    window = min(window_frames(frames), 2 * full_positions)
    shortened = nn.Embedding.from_pretrained(table.weight[: window // 2], freeze=True)
    try:
        tower.config.max_source_positions = window // 2
        tower.embed_positions = shortened
        yield window
    finally:
        tower.config.max_source_positions = full_positions
        tower.embed_positions = table
