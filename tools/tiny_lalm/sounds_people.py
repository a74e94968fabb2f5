"""Procedural sounds that people make without words."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from tiny_lalm.dsp import (
    Wave,
    band,
    contour,
    decay,
    hump,
    log_uniform,
    modal,
    noise,
    path,
    pulses,
    resonate,
    samples,
    scatter,
    train,
    uniform,
    voice,
)
from tiny_lalm.registry import sound


@sound("crying_baby")
def crying_baby(rng: Generator, seconds: float) -> Wave:
    """Wails of about a second, pitch rising and falling, breath between them."""
    base = log_uniform(rng, 320, 620)
    size = uniform(rng, 0.9, 1.3)

    def wail() -> Wave:
        n = samples(uniform(rng, 0.4, 1.5))
        f0 = base * path(n, uniform(rng, 0.7, 1), uniform(rng, 1, 1.25), 1.05, 0.75)
        f0 = f0 * (1 + uniform(rng, 0.0, 0.05) * noise(rng, n, 1.2))
        formants = [1000 * size, 1800 * size * uniform(rng, 0.8, 1.2), 3300 * size]
        body = voice(rng, np.maximum(f0, 100), formants, uniform(rng, 0.05, 0.5))
        gasp_n = samples(uniform(rng, 0.05, 0.25))
        gasp = band(noise(rng, gasp_n), 1000, 5000) * hump(rng, gasp_n)
        return np.concatenate([body * hump(rng, n, 0.2), uniform(rng, 0, 0.3) * gasp])

    return train(rng, seconds, (0.6, 1.7), wail, 0.25)


@sound("sneezing")
def sneezing(rng: Generator, seconds: float) -> Wave:
    """A drawn breath, then one explosive burst of noise with a short vowel."""

    def sneeze() -> Wave:
        parts = []
        if rng.random() < 0.6:
            n = samples(uniform(rng, 0.15, 0.6))
            gasp = band(noise(rng, n, 0.3), 600, 5000) * np.linspace(0, 1, n) ** 2
            if rng.random() < 0.5:
                f0 = uniform(rng, 150, 400) * path(n, 0.9, 1.2)
                gasp = gasp + 0.5 * voice(rng, f0, [700, 1500], 0.3) * hump(rng, n)
            parts += [uniform(rng, 0.05, 0.4) * gasp, np.zeros(samples(uniform(rng, 0.02, 0.2)))]
        n = samples(uniform(rng, 0.12, 0.45))
        low = log_uniform(rng, 300, 2500)
        burst = band(noise(rng, n, uniform(rng, -0.3, 0.6)), low, uniform(rng, 4000, 7900))
        burst = burst / (burst.std() + 1e-9) * hump(rng, n, uniform(rng, 0.05, 0.2))
        f0 = uniform(rng, 120, 450) * path(n, 1.2, 0.8)
        shout = voice(rng, f0, [uniform(rng, 400, 900), 1400, 2600], 0.6) * hump(rng, n, 0.2)
        parts.append(burst + uniform(rng, 0, 0.8) * shout)
        return np.concatenate(parts)

    gap = (seconds + 1, seconds + 2) if rng.random() < 0.7 else (0.8, 2.0)
    return train(rng, seconds, gap, sneeze, 0.4)


@sound("coughing")
def coughing(rng: Generator, seconds: float) -> Wave:
    """Two or more short rough bursts."""
    pitch = uniform(rng, 90, 300)

    def cough() -> Wave:
        n = samples(uniform(rng, 0.12, 0.4))
        air = band(noise(rng, n, 0.5), 300, 5000)
        f0 = np.maximum(pitch * path(n, 1.2, 0.8) * (1 + 0.2 * noise(rng, n, 1)), 50)
        rasp = voice(rng, f0, [600, 1300, 2500], 0.8)
        shape = decay(n, n / 16_000 * 0.9) + 0.3 * hump(rng, n, 0.6)
        return (air / air.std() + uniform(rng, 0.2, 1) * rasp) * shape

    return train(rng, min(seconds, uniform(rng, 0.6, 3)), (0.25, 0.6), cough, 0.3)


@sound("breathing")
def breathing(rng: Generator, seconds: float) -> Wave:
    """Soft noise in and out."""
    centre = log_uniform(rng, 500, 2500)

    def breath() -> Wave:
        n = samples(uniform(rng, 0.5, 1.3))
        air = resonate(noise(rng, n, 0.4), centre * uniform(rng, 0.7, 1.3), centre * 0.6)
        return air / air.std() * hump(rng, n, 0.5)

    return train(rng, seconds, (0.9, 2.0), breath, 0.15)


@sound("snoring")
def snoring(rng: Generator, seconds: float) -> Wave:
    """Slow rattling breaths."""
    rate = uniform(rng, 25, 70)

    def snore() -> Wave:
        n = samples(uniform(rng, 0.7, 1.6))
        rattle = pulses(rate * contour(rng, n, 4, 0.8, 1.2)) * contour(rng, n, 40, 0.4, 1)
        body = resonate(rattle, uniform(rng, 150, 500), 120) + resonate(rattle, 1200, 500)
        air = band(noise(rng, n, 0.7), 200, 3000)
        return (body / (body.std() + 1e-9) + 0.2 * air / air.std()) * hump(rng, n, 0.6)

    return train(rng, seconds, (1.5, 3.5), snore, 0.1)


@sound("laughing")
def laughing(rng: Generator, seconds: float) -> Wave:
    """Rows of ha-ha."""
    pitch = log_uniform(rng, 120, 420)
    vowel = [uniform(rng, 500, 900), uniform(rng, 1100, 1900), 2700]
    falling = 1.0

    def syllable() -> Wave:
        nonlocal falling
        falling = falling * 0.96 if falling > 0.6 else 1.2
        n = samples(uniform(rng, 0.08, 0.16))
        air = samples(uniform(rng, 0.03, 0.08))
        ha = voice(rng, pitch * falling * path(n, 1.1, 0.9), vowel, 0.3) * hump(rng, n, 0.2)
        return np.concatenate([0.2 * band(noise(rng, air), 500, 5000), ha])

    return train(rng, seconds, (0.15, 0.3), syllable, 0.15)


@sound("clapping")
def clapping(rng: Generator, seconds: float) -> Wave:
    """One person's claps at an even pace."""
    centre = log_uniform(rng, 700, 2500)

    def clap() -> Wave:
        n = samples(uniform(rng, 0.02, 0.08))
        burst = noise(rng, n) * decay(n, n / 16_000)
        return band(burst, centre * 0.5, centre * 2.5)

    return train(rng, seconds, (0.18, 0.6), clap, 0.12)


@sound("applause")
def applause(rng: Generator, seconds: float) -> Wave:
    """A crowd's claps, dense."""

    def clap() -> Wave:
        n = samples(0.03)
        centre = log_uniform(rng, 700, 2500)
        return band(noise(rng, n) * decay(n, 0.03), centre * 0.6, centre * 2)

    return scatter(rng, seconds, log_uniform(rng, 30, 150), clap)


@sound("footsteps")
def footsteps(rng: Generator, seconds: float) -> Wave:
    """Steps: a dull heel, then a scrape."""
    tone = log_uniform(rng, 60, 250)
    grit = uniform(rng, 0.1, 1.0)
    top = log_uniform(rng, 1500, 6000)

    def step() -> Wave:
        n = samples(uniform(rng, 0.12, 0.3))
        heel = modal(rng, n, tone * np.array([1, 1.7, 2.9]), 0.12)
        scrape = band(noise(rng, n, 0.3), 500, top) * hump(rng, n, uniform(rng, 0.1, 0.5))
        return heel + grit * scrape

    return train(rng, seconds, (0.3, 0.8), step, 0.08)


@sound("brushing_teeth")
def brushing_teeth(rng: Generator, seconds: float) -> Wave:
    """Quick to-and-fro strokes of bright noise."""
    low = log_uniform(rng, 1200, 3000)

    def stroke() -> Wave:
        n = samples(uniform(rng, 0.06, 0.14))
        return band(noise(rng, n), low * uniform(rng, 0.8, 1.3), 7800) * hump(rng, n, 0.5)

    return train(rng, seconds, (0.1, 0.22), stroke, 0.08)


@sound("drinking_sipping")
def drinking_sipping(rng: Generator, seconds: float) -> Wave:
    """A slurp, then gulps."""

    def sip() -> Wave:
        n = samples(uniform(rng, 0.2, 0.7))
        slurp = resonate(noise(rng, n), uniform(rng, 1500, 3500), 700) * contour(rng, n, 40, 0, 1)
        gulp_n = samples(0.12)
        gulp = resonate(noise(rng, gulp_n), uniform(rng, 200, 500), 80) * hump(rng, gulp_n)
        rest = np.zeros(samples(uniform(rng, 0.05, 0.3)))
        return np.concatenate([slurp / (slurp.std() + 1e-9), rest, gulp / (gulp.std() + 1e-9)])

    return train(rng, seconds, (0.8, 2.0), sip)


@sound("whistle")
def whistle(rng: Generator, seconds: float) -> Wave:
    """A whistled tune: pure gliding tones with a little air."""
    pitch = log_uniform(rng, 700, 2000)

    def note() -> Wave:
        n = samples(uniform(rng, 0.2, 0.7))
        f0 = pitch * 2 ** (rng.integers(-5, 8) / 12) * path(n, uniform(rng, 0.9, 1.1), 1, 1)
        air = 0.1 * band(noise(rng, n), 1000, 5000)
        return (np.sin(2 * np.pi * np.cumsum(f0) / 16_000) + air) * hump(rng, n, 0.3)

    return train(rng, seconds, (0.25, 0.8), note, 0.2)


@sound("crowd_murmur")
def crowd_murmur(rng: Generator, seconds: float) -> Wave:
    """Murmur of many unclear voices."""
    out = np.zeros(samples(seconds))
    for _ in range(int(rng.integers(3, 7))):
        n = len(out)
        f0 = log_uniform(rng, 90, 260) * contour(rng, n, 4, 0.8, 1.2)
        formants = [uniform(rng, 350, 800), uniform(rng, 900, 2000), 2600]
        out += voice(rng, f0, formants, 0.2) * contour(rng, n, 7, 0, 1) ** 2
    return out
