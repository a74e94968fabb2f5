"""Endless training batches, each drawn from a seed and its own number."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset

from tiny_lalm.augment import Features, augmented, sound_layout, speech_layout
from tiny_lalm.classes import ClassTable
from tiny_lalm.corpus import Corpus

SOUND_FRAMES = (150, 250, 350, 498)
SOUND_FRAME_SHARES = (0.45, 0.3, 0.13, 0.12)


class ClipBatch(NamedTuple):
    """Clips of one kind with their classes and phonemes."""

    features: Features
    targets: torch.Tensor
    """`(clips,)`: row of the class table."""
    phonemes: torch.Tensor
    """`(total,)`: phoneme ids of all clips in a row; empty for sounds."""
    phoneme_counts: torch.Tensor
    spoken: torch.Tensor
    """`(clips, 2)`: the first frame of the clip's sound and how many frames it lasts."""


class Batcher:
    """Draws batches of speech and of sounds from a corpus."""

    def __init__(self, corpus: Corpus, table: ClassTable) -> None:
        self.corpus = corpus
        self.speech_rows = corpus.rows("word", "made_up")
        self.sound_rows = corpus.rows("sound")
        self.lengths = np.array([clip.frames for clip in corpus.clips])
        self.targets = np.array(
            [
                table.made_up[clip.phonemes] if clip.kind == "made_up" else table.index[clip.label]
                for clip in corpus.clips
            ]
        )

    def clips(self, rng: np.random.Generator, speech: bool, count: int) -> ClipBatch:
        """Draw ``count`` augmented clips.

        Words come in batches of like length. Sounds come in pairs: the second half holds other
        cuts of the first half's clips.
        """
        if speech:
            drawn = rng.choice(self.speech_rows, 4 * count, replace=False)
            drawn = drawn[np.argsort(self.lengths[drawn], kind="stable")]
            first = int(rng.integers(4)) * count
            rows = drawn[first : first + count]
        else:
            rows = np.tile(rng.choice(self.sound_rows, count // 2, replace=False), 2)
        if speech:
            layout = speech_layout(self.corpus, rows, rng)
        else:
            longest = int(rng.choice(SOUND_FRAMES, p=SOUND_FRAME_SHARES))
            layout = sound_layout(self.corpus, rows, rng, longest)
        features = augmented(self.corpus, rows, layout, rng, speech)
        phonemes = [self.corpus.phoneme_ids(row) for row in rows]
        return ClipBatch(
            features,
            torch.from_numpy(self.targets[rows]),
            torch.tensor([phoneme for ids in phonemes for phoneme in ids], dtype=torch.long),
            torch.tensor([len(ids) for ids in phonemes]),
            torch.from_numpy(np.stack([layout.lead, self.lengths[rows] / layout.rate], axis=1)),
        )


class Draws(IterableDataset[object]):
    """Calls ``draw`` with a fresh generator for every batch, without end."""

    def __init__(self, draw: Callable[[np.random.Generator], object], seed: int) -> None:
        self.draw = draw
        self.seed = seed

    def __iter__(self) -> Iterator[object]:
        number = 0
        while True:
            torch.manual_seed(self.seed * 1_000_003 + number)
            yield self.draw(np.random.default_rng([self.seed, number]))
            number += 1


def loader(draw: Callable[[np.random.Generator], object], seed: int) -> DataLoader[object]:
    """Return a loader of ready-made batches."""
    return DataLoader(Draws(draw, seed), batch_size=None)
