"""One procedural clip: a sound of its class, then the room, colour and noise it was heard in."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from tiny_lalm import (
    sounds_animals,
    sounds_home,
    sounds_machines,
    sounds_nature,
    sounds_people,
)
from tiny_lalm.dsp import Wave, log_uniform, noise, room, samples, uniform
from tiny_lalm.registry import MAKERS

FAMILIES = (sounds_animals, sounds_home, sounds_machines, sounds_nature, sounds_people)
"""The modules whose import fills the register."""


def record(rng: Generator, wave: Wave) -> Wave:
    """Return the wave as a microphone somewhere would have caught it, at a peak of 0.9 or less."""
    wave = wave / (np.abs(wave).max() + 1e-9)
    if rng.random() < 0.5:
        wave = room(rng, wave, log_uniform(rng, 0.1, 1.5), uniform(rng, 0.1, 1.0))
    if rng.random() < 0.5:
        level = log_uniform(rng, 0.0003, 0.03)
        wave = wave + level * noise(rng, len(wave), uniform(rng, 0, 2))
    return (0.9 * wave / (np.abs(wave).max() + 1e-9)).astype(np.float32)


def make_sound(label: str, seed: int, longest: float = 5.0) -> Wave:
    """Make one clip of ``label``, 1 s to ``longest`` long, from its seed alone."""
    rng = np.random.default_rng(seed)
    seconds = uniform(rng, 1.0, longest)
    wave = MAKERS[label](rng, seconds)
    if len(wave) < samples(1.0):
        wave = np.pad(wave, (0, samples(1.0) - len(wave)))
    return record(rng, wave)
