"""Benchmarks of a test: sounds whose names say all about them, `split-number-label+label-subset.wav`."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import soundfile

from calm_pl.data.benchmark import Benchmark
from calm_pl.data.facts import Facts
from calm_pl.data.questions.clips import Clip, Listing

TONES = {"a": 250, "b": 500, "c": 1000, "d": 2000, "e": 4000, "f": 6000, "real": 300, "fake": 3000}


class Named(Benchmark):
    """Reads the folder."""

    facts = Facts("Named", "none", "nowhere", "sounds")
    names: ClassVar[tuple[str, ...]]

    def read(self) -> Listing:
        clips = []
        for path in sorted(self.root.glob("*.wav")):
            split, _, labels, subset = path.stem.split("-")
            clips.append(Clip(path.name, path, tuple(labels.split("+")), (), split=split, subset=subset))
        return Listing(self.names, clips)


class Several(Named):
    """Clips with one label to four."""

    names = tuple("abcdef")
    multi_label = True
    by_subset = "kind"


class Spoofed(Named):
    """Two classes, and kinds of attack."""

    names = ("real", "fake")
    positive = "real"
    by_subset = "attack"


# Class e is asked about no query clip, class f has no clip at all.
SEVERAL = (
    [f"train-{i:02d}-{labels}-" for i, labels in enumerate(["a", "b", "c", "d", "e"] * 3)]
    + [f"train-{i}-{labels}-" for i, labels in enumerate(["a+b", "c+d+e", "b+d", "a+c"], start=15)]
    + [
        f"test-{i}-{labels}-{'one' if len(labels) == 1 else 'more'}"
        for i, labels in enumerate(["a", "b+c", "a+b+c+d", "d", "a+d", "b+c+d", "c", "b"])
    ]
)
SPOOFED = [f"{split}-{i}-real-" for split in ("train", "test") for i in range(5)] + [
    f"{split}-{i}-fake-A{i % 2}" for split in ("train", "test") for i in range(8)
]


def write(root, names):
    """A folder of noisy tones, one for each label."""
    root.mkdir(parents=True)
    rng = np.random.default_rng(0)
    time = np.arange(4_800) / 16_000
    for name in names:
        tones = [np.sin(2 * np.pi * TONES[label] * time) for label in name.split("-")[2].split("+")]
        sound = 0.2 * np.sum(tones, axis=0) + 0.1 * rng.standard_normal(len(time))
        soundfile.write(root / f"{name}.wav", sound.astype(np.float32), 16_000, subtype="FLOAT")
    return root


def register() -> None:
    """Make the sets known by name, as a shipped benchmark is."""
    from calm_pl.data import BENCHMARKS

    BENCHMARKS["several"] = "named_sets:Several"
    BENCHMARKS["spoofed"] = "named_sets:Spoofed"


if __name__ == "__main__":  # the command line with these sets, on every rank
    import sys

    from calm_pl.commands.main import main

    register()
    sys.exit(main())
