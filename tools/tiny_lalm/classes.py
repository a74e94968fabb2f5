"""The embedding of every class: random for sounds, made of phonemes for words."""

from __future__ import annotations

import numpy as np
import torch

from tiny_lalm.phonology import embed_pronunciations, pronounce
from tiny_lalm.vocabulary import DIGITS, SOUND_LABELS, spoken_words

SOUND_SEED = 1311
MARK_SEED = 1511


def audio_mark(width: int) -> torch.Tensor:
    """Return the unit vector added to every audio token, by which the first layer tells it from an option."""
    mark = np.random.default_rng(MARK_SEED).standard_normal(width)
    return torch.from_numpy(mark / np.linalg.norm(mark)).float()


class ClassTable:
    """Unit vectors for class names and, after them, for made-up words."""

    def __init__(self, width: int, made_up: list[tuple[str, ...]]) -> None:
        words = spoken_words()
        rng = np.random.default_rng(SOUND_SEED)
        sounds = rng.standard_normal((len(SOUND_LABELS), width))
        sounds /= np.linalg.norm(sounds, axis=1, keepdims=True)
        spoken = list(pronounce(words).values()) + list(pronounce(DIGITS).values()) + made_up
        vectors = embed_pronunciations(spoken, width)
        vectors = vectors - vectors[: len(words)].mean(axis=0, keepdims=True)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        self.names: list[str] = [*SOUND_LABELS, *words, *DIGITS]
        self.index: dict[str, int] = {name: i for i, name in enumerate(self.names)}
        self.made_up: dict[tuple[str, ...], int] = {
            phonemes: len(self.names) + i for i, phonemes in enumerate(made_up)
        }
        self.vectors: torch.Tensor = torch.from_numpy(np.concatenate([sounds, vectors])).float()
        self.mark: torch.Tensor = audio_mark(width)
        self.sounds: range = range(len(SOUND_LABELS))
        self.words: range = range(len(SOUND_LABELS), len(SOUND_LABELS) + len(words))
        self.digits: range = range(self.words.stop, len(self.names))
