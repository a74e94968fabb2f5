"""Clips as data URIs that a browser can play, within a limit on their size."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from calm_pl.errors import BadClipError
from calm_pl.media import load_audio

RATE = 16_000
MOST_SECONDS = 10.0


class _Format(NamedTuple):
    name: str
    subtype: str
    mime: str
    options: dict[str, Any]


# Every browser plays MP3; libsndfile may lack it, but always has WAV.
_FORMATS = (
    _Format("MP3", "MPEG_LAYER_III", "audio/mpeg", {"bitrate_mode": "VARIABLE", "compression_level": 0.4}),
    _Format("WAV", "PCM_16", "audio/wav", {}),
)


@dataclass
class EmbeddedSound:
    """Clips inside a page.

    Attributes:
        uris: data URIs by clip id, in the order of embedding.
        too_many: number of clips omitted because the page would have become too large.
        unread: number of clips that are missing or could not be read.
        cut: number of clips truncated to `MOST_SECONDS`.
    """

    uris: dict[str, str] = field(default_factory=dict)
    too_many: int = 0
    unread: int = 0
    cut: int = 0


def embed(clips: Iterable[str], paths: Mapping[str, Path], most_bytes: int) -> EmbeddedSound:
    """Embed clips, mono at 16 kHz, up to `most_bytes` in total.

    Args:
        clips: ids, most important first; a repeated id counts once.
        paths: files by clip id.
        most_bytes: maximum size of all data URIs together.
    """
    found = EmbeddedSound()
    total = 0
    for clip in dict.fromkeys(clips):
        if found.too_many:  # do not decode what will not be shown
            found.too_many += 1
            continue
        try:
            wave = load_audio(paths[clip], RATE, MOST_SECONDS)
        except (KeyError, BadClipError):
            found.unread += 1
            continue
        uri = data_uri(wave.windows[0])
        if total + len(uri) > most_bytes:
            found.too_many += 1
            continue
        total += len(uri)
        found.uris[clip] = uri
        found.cut += wave.was_cut
    return found


def data_uri(samples_T: np.ndarray) -> str:
    """Compress mono float32 samples at 16 kHz; samples over full scale are scaled down, not clipped."""
    import soundfile

    format = next(one for one in _FORMATS if one.name in soundfile.available_formats())
    loudest = float(np.abs(samples_T).max(initial=1.0))
    file = io.BytesIO()
    soundfile.write(
        file, samples_T / loudest, RATE, format=format.name, subtype=format.subtype, **format.options
    )
    return f"data:{format.mime};base64,{base64.b64encode(file.getvalue()).decode()}"
