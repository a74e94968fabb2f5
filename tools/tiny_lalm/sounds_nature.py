"""Procedural weather, water and fire."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from tiny_lalm.dsp import (
    Wave,
    band,
    contour,
    decay,
    harmonics,
    hump,
    log_uniform,
    noise,
    path,
    resonate,
    samples,
    scatter,
    sine,
    train,
    uniform,
)
from tiny_lalm.registry import sound


def _drop(rng: Generator, low: float, high: float) -> Wave:
    """One drop: a short sine whose pitch rises."""
    n = samples(uniform(rng, 0.015, 0.09))
    start = log_uniform(rng, low, high)
    return sine(path(n, start, start * uniform(rng, 1.1, 2.0))) * decay(n, n / 16_000)


@sound("rain")
def rain(rng: Generator, seconds: float) -> Wave:
    """Steady bright noise made of very many small impacts."""
    n = samples(seconds)
    hiss = band(noise(rng, n, uniform(rng, -0.3, 0.9)), log_uniform(rng, 100, 1500), 7900)
    hiss = hiss / hiss.std() * contour(rng, n, 1.5, 0.8, 1.0)
    width = samples(uniform(rng, 0.001, 0.004))

    def patter() -> Wave:
        return band(noise(rng, width * 3) * decay(width * 3, width / 4000), 800, 7000)

    drops = scatter(rng, seconds, log_uniform(rng, 20, 250), patter)
    return hiss + uniform(rng, 0.0, 6.0) * drops


@sound("sea_waves")
def sea_waves(rng: Generator, seconds: float) -> Wave:
    """Noise that swells and falls slowly; the crest is brighter."""
    n = samples(seconds)
    period = uniform(rng, 2.0, 8.0)
    swell = 0.5 + 0.5 * np.sin(2 * np.pi * (np.arange(n) / 16_000 / period + rng.random()))
    swell = np.clip(swell * contour(rng, n, 1.0, 0.6, 1.0), 0, 1)
    low = band(noise(rng, n, uniform(rng, 0.8, 2.0)), 30, log_uniform(rng, 400, 2000))
    high = band(noise(rng, n, uniform(rng, 0.2, 1.0)), 400, 7000)
    floor = uniform(rng, 0.1, 0.6)
    out = low / low.std() * (floor + (1 - floor) * swell)
    return out + uniform(rng, 0.2, 1.0) * high / high.std() * swell ** uniform(rng, 1.5, 3)


@sound("crackling_fire")
def crackling_fire(rng: Generator, seconds: float) -> Wave:
    """Irregular sharp crackles over a soft low roar."""
    n = samples(seconds)

    def crackle() -> Wave:
        m = samples(log_uniform(rng, 0.002, 0.03))
        snap = noise(rng, m, uniform(rng, -0.3, 0.8)) * decay(m, m / 16_000)
        return band(snap, log_uniform(rng, 150, 2500), log_uniform(rng, 3000, 7900))

    out = scatter(rng, seconds, log_uniform(rng, 3, 50), crackle)
    out += 0.3 * scatter(rng, seconds, log_uniform(rng, 10, 120), crackle)
    roar = band(noise(rng, n, uniform(rng, 0.5, 2)), 40, log_uniform(rng, 300, 5000))
    return out + log_uniform(rng, 0.005, 0.3) * roar / roar.std() * contour(rng, n, 4, 0.4, 1)


@sound("water_drops")
def water_drops(rng: Generator, seconds: float) -> Wave:
    """Single drops with a rising pitch."""
    low = log_uniform(rng, 400, 1800)
    return train(rng, seconds, (0.2, 1.2), lambda: _drop(rng, low, low * 1.4), 0.4)


@sound("wind")
def wind(rng: Generator, seconds: float) -> Wave:
    """Noise through a resonance that wanders slowly."""
    n = samples(seconds)
    source = noise(rng, n, uniform(rng, 0.5, 1.6))
    out = np.zeros(n)
    low = log_uniform(rng, 150, 500)
    for centre in low * np.array([1.0, 1.6, 2.6]):
        part = resonate(source, centre, centre * uniform(rng, 0.15, 0.6))
        out += part / (part.std() + 1e-9) * contour(rng, n, 1.5, 0.0, 1.0) ** 2
    return out + uniform(rng, 0.02, 0.3) * source


@sound("pouring_water")
def pouring_water(rng: Generator, seconds: float) -> Wave:
    """Many bubbles whose pitch climbs as the vessel fills."""
    n = samples(seconds)
    low = log_uniform(rng, 300, 900)
    out = scatter(rng, seconds, log_uniform(rng, 40, 150), lambda: _drop(rng, low, low * 4))
    splash = band(noise(rng, n, 0.5), 800, 6000)
    rise = resonate(noise(rng, n), low * uniform(rng, 1, 3), low * 0.3)
    return out + uniform(rng, 0.1, 0.5) * splash + 0.5 * rise / (rise.std() + 1e-9)


@sound("toilet_flush")
def toilet_flush(rng: Generator, seconds: float) -> Wave:
    """A rush of water that dies down to gurgling."""
    n = samples(seconds)
    rush = band(noise(rng, n, uniform(rng, 0.3, 1.2)), 100, uniform(rng, 3000, 7000))
    rush = rush / rush.std() * path(n, 0.2, 1.0, 0.9, 0.5, 0.15)
    gurgle = scatter(rng, seconds, 25, lambda: _drop(rng, 150, 600))
    return rush + 0.7 * gurgle * path(n, 0.1, 0.5, 1.0)


@sound("thunderstorm")
def thunderstorm(rng: Generator, seconds: float) -> Wave:
    """Rolling low rumbles, often over rain."""
    n = samples(seconds)
    out = uniform(rng, 0, 0.15) * band(noise(rng, n), 500, 7500)

    def roll() -> Wave:
        m = samples(uniform(rng, 1.0, 4.0))
        deep = band(noise(rng, m, uniform(rng, 1, 2.2)), 20, log_uniform(rng, 120, 900))
        shape = contour(rng, m, 6, 0.2, 1.0) * path(m, uniform(rng, 0.2, 1), 1, 0.5, 0.2, 0)
        return deep / deep.std() * shape

    return out + train(rng, seconds, (2.0, 5.0), roll)


@sound("bubbles")
def bubbles(rng: Generator, seconds: float) -> Wave:
    """Bubbling: many low rising drops."""
    low = log_uniform(rng, 120, 500)
    return scatter(rng, seconds, log_uniform(rng, 6, 30), lambda: _drop(rng, low, low * 2.5))


@sound("steam_hiss")
def steam_hiss(rng: Generator, seconds: float) -> Wave:
    """Steady high hiss, sometimes with a whistle."""
    n = samples(seconds)
    out = band(noise(rng, n, -0.3), log_uniform(rng, 1500, 4000), 7900)
    out = out / out.std() * contour(rng, n, 2, 0.6, 1)
    if rng.random() < 0.4:
        out += 0.5 * harmonics(rng, contour(rng, n, 2, 1500, 2500), 2.0)
    return out


@sound("white_noise")
def white_noise(rng: Generator, seconds: float) -> Wave:
    """Stationary noise of any flat band."""
    return band(noise(rng, samples(seconds)), log_uniform(rng, 20, 300), uniform(rng, 5000, 7900))


@sound("fireworks")
def fireworks(rng: Generator, seconds: float) -> Wave:
    """Whistling rockets, bangs and crackle."""

    def rocket() -> Wave:
        up = samples(uniform(rng, 0.2, 0.8))
        whistle = sine(path(up, uniform(rng, 800, 1500), uniform(rng, 2500, 4500))) * hump(rng, up)
        m = samples(uniform(rng, 0.3, 1.0))
        bang = noise(rng, m, uniform(rng, 0.7, 1.5)) * decay(m, m / 16_000)
        return np.concatenate([uniform(rng, 0, 0.4) * whistle, bang])

    def spark() -> Wave:
        return noise(rng, 80, 0.0) * decay(80, 0.004)

    out = train(rng, seconds, (0.5, 2.0), rocket, 0.5)
    return out + uniform(rng, 0, 0.6) * scatter(rng, seconds, log_uniform(rng, 5, 60), spark)
