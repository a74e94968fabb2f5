"""Synthesized speech: real words and made-up words by espeak-ng, words by flite."""

from __future__ import annotations

import io
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from numpy.random import Generator
from scipy.signal import resample_poly

from tiny_lalm.dsp import RATE, Wave, log_uniform, noise, room, samples, uniform

ACCENTS: tuple[str, ...] = (
    "en-us", "en-us", "en-us", "en-gb", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-rp",
    "en-gb-x-gbcwmd", "en-029", "en-us-nyc",
)  # fmt: skip
"""espeak-ng's English accents; the American one three times as often."""

VARIANTS: tuple[str, ...] = (
    "", "adam", "Alex", "Alicia", "Andrea", "Andy", "Annie", "antonio", "aunty", "belinda",
    "benjamin", "boris", "caleb", "david", "Denis", "Diogo", "ed", "edward", "edward2", "Gene",
    "Gene2", "gustave", "announcer", "Henrique", "iven", "iven2", "iven3", "iven4", "Jacky",
    "john", "kaukovalta", "Lee", "marcelo", "Marco", "Mario", "max", "Michael", "michel",
    "miguel", "Mike", "Mr", "Nguyen", "pablo", "paul", "pedro", "quincy", "rob", "robert",
    "steph", "steph2", "steph3", "Tweaky", "zac", "anika", "f1", "f2", "f3", "f4", "grandpa",
    "klatt", "klatt2", "klatt3", "klatt4", "klatt6", "m1", "m2", "m3", "m4", "m5", "m6", "norbert",
    "shelby", "travis", "grandma", "AnxiousAndy", "fast",
)  # fmt: skip
"""espeak-ng's voice variants heard in training."""

HELDOUT_VARIANTS: tuple[str, ...] = (
    "f5", "m7", "m8", "Hugo", "linda", "sandro", "victor", "klatt5", "RicishayMax", "croak",
)  # fmt: skip
FLITE_VOICES: tuple[str, ...] = ("rms", "slt", "awb")
HELDOUT_FLITE_VOICES: tuple[str, ...] = ("kal16",)

ONSETS = (
    "p b t d k g tS dZ f v T s z S h m n l r w j s s t f w n h r "
    "st sp sk sl sm sn sw tr dr kr gr fr Tr br pr pl bl kl fl gl tw kw str"
).split()
NUCLEI = "i: I E a A: O: V U u: eI aI OI aU oU 3: @ i: E eI aI I V O: oU".split()
CODAS = ("p b t d k g tS dZ f v T s z S m n N l r n n t s v ks nt nd ns st ft lt mp Nk rd rt rn lv").split()


def made_up_word(rng: Generator) -> tuple[str, ...]:
    """Return the espeak-ng phonemes of a pronounceable word that need not exist."""
    parts: list[str] = []
    for index in range(int(rng.choice([1, 2, 3], p=[0.5, 0.4, 0.1]))):
        if index > 0 or rng.random() < 0.85:
            parts.append(str(rng.choice(ONSETS)))
        parts.append(str(rng.choice(NUCLEI)))
        if rng.random() < 0.65:
            parts.append(str(rng.choice(CODAS)))
    return tuple(parts)


def _espeak(rng: Generator, text: str, variants: tuple[str, ...]) -> tuple[Wave, int]:
    variant = str(rng.choice(variants))
    voice = str(rng.choice(ACCENTS)) + (f"+{variant}" if variant else "")
    command = ["espeak-ng", "-v", voice, "-s", str(int(rng.integers(105, 230)))]
    command += ["-p", str(int(rng.integers(5, 95))), "--stdout", text]
    answer = subprocess.run(command, check=True, capture_output=True)
    wave, rate = soundfile.read(io.BytesIO(answer.stdout), dtype="float64")
    return wave, rate


def _flite(rng: Generator, text: str, voices: tuple[str, ...]) -> tuple[Wave, int]:
    stretch = uniform(rng, 0.75, 1.4)
    command = ["flite", "-voice", str(rng.choice(voices)), "-t", text]
    command += ["--setf", f"duration_stretch={stretch:.2f}"]
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "word.wav"
        subprocess.run([*command, "-o", str(target)], check=True, capture_output=True)
        wave, rate = soundfile.read(target, dtype="float64")
    return wave, rate


def _trim(wave: Wave, share: float) -> Wave:
    """Cut what is quieter than ``share`` of the peak from both ends."""
    loud = np.flatnonzero(np.abs(wave) > share * np.abs(wave).max())
    return wave[max(0, loud[0] - 160) : loud[-1] + 480]


def _finish(rng: Generator, wave: Wave, rate: int) -> Wave:
    """Shift pitch and formants together, trim, and put the speaker into a room."""
    shift = uniform(rng, 0.85, 1.2)
    wave = resample_poly(wave, int(100 * RATE / rate / shift), 100)
    wave = _trim(wave, log_uniform(rng, 0.005, 0.05))
    wave = wave / (np.abs(wave).max() + 1e-9)
    if rng.random() < 0.35:
        wave = np.pad(wave, (0, samples(0.1)))
        wave = room(rng, wave, log_uniform(rng, 0.08, 0.6), uniform(rng, 0.1, 0.8))
    if rng.random() < 0.3:
        wave = wave + log_uniform(rng, 0.0005, 0.02) * noise(rng, len(wave), uniform(rng, 0, 2))
    return (0.9 * wave / (np.abs(wave).max() + 1e-9)).astype(np.float32)


def say(text: str, seed: int, engine: str, heldout: bool = False) -> Wave:
    """Speak ``text`` with a voice drawn from the seed.

    Args:
        text: A word, or espeak-ng phonemes in double square brackets.
        seed: Decides voice, accent, pace, pitch and room.
        engine: ``espeak`` or ``flite``.
        heldout: Whether to draw from the voices that training never hears.
    """
    rng = np.random.default_rng(seed)
    if engine == "espeak":
        wave, rate = _espeak(rng, text, HELDOUT_VARIANTS if heldout else VARIANTS)
    else:
        wave, rate = _flite(rng, text, HELDOUT_FLITE_VOICES if heldout else FLITE_VOICES)
    return _finish(rng, wave, rate)
