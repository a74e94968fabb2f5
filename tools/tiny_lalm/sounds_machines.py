"""Procedural engines, tools, vehicles, signals and instruments."""

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
    modal,
    noise,
    path,
    phase,
    place,
    pulses,
    resonate,
    samples,
    sine,
    train,
    uniform,
)
from tiny_lalm.registry import sound


def _combustion(rng: Generator, f0: Wave, low: float, high: float, rough: float) -> Wave:
    """Firing pulses of an engine through its exhaust."""
    n = len(f0)
    source = pulses(f0, 0.15 * rough * noise(rng, n, 1.5)) * (1 + rough * rng.standard_normal(n))
    out = np.zeros(n)
    for centre in np.exp(rng.uniform(np.log(low), np.log(high), 4)):
        out += resonate(source, centre, centre * uniform(rng, 0.2, 0.6))
    return out / (out.std() + 1e-9)


@sound("helicopter")
def helicopter(rng: Generator, seconds: float) -> Wave:
    """Rotor blades: broad noise and thumps that beat 8 to 30 times a second."""
    n = samples(seconds)
    rate = uniform(rng, 7, 28) * contour(rng, n, 0.5, 0.95, 1.05)
    sharp = log_uniform(rng, 1, 8)
    beat = (0.5 + 0.5 * np.sin(phase(rate))) ** sharp
    air = band(noise(rng, n, uniform(rng, 0.5, 1.8)), 40, log_uniform(rng, 500, 5000))
    thump = band(noise(rng, n, 1.5), 20, log_uniform(rng, 80, 400))
    out = air / air.std() * (uniform(rng, 0.1, 0.8) + beat)
    out += uniform(rng, 0.3, 2.0) * thump / thump.std() * beat
    turbine = harmonics(rng, uniform(rng, 300, 2500) * contour(rng, n, 1, 0.98, 1.02), 1.5, 6)
    return (out + uniform(rng, 0, 0.3) * turbine) * contour(rng, n, 0.7, 0.5, 1.0)


@sound("chainsaw")
def chainsaw(rng: Generator, seconds: float) -> Wave:
    """A buzzing two-stroke engine, revved now and then."""
    n = samples(seconds)
    idle = uniform(rng, 50, 110)
    revs = contour(rng, n, 1.2, 1.0, uniform(rng, 1.2, 3.0))
    engine = _combustion(rng, idle * revs, 250, 5000, uniform(rng, 0.1, 0.5))
    buzz = harmonics(rng, idle * revs, uniform(rng, 0.1, 0.7), 60)
    air = band(noise(rng, n, 0.3), 1000, 7500)
    out = engine + uniform(rng, 0.2, 1.2) * buzz + uniform(rng, 0.1, 0.6) * air / air.std()
    return out * (0.4 + 0.6 * revs / revs.max())


@sound("engine")
def engine(rng: Generator, seconds: float) -> Wave:
    """A car engine: low firing rate, idling or accelerating."""
    n = samples(seconds)
    f0 = uniform(rng, 18, 60) * contour(rng, n, 0.8, 1.0, uniform(rng, 1.05, 2.0))
    out = _combustion(rng, f0, 60, 900, uniform(rng, 0.1, 0.4))
    return out + uniform(rng, 0.05, 0.4) * noise(rng, n, 1.2)


@sound("motorcycle")
def motorcycle(rng: Generator, seconds: float) -> Wave:
    """A motorcycle that passes by, changing gear."""
    n = samples(seconds)
    f0 = uniform(rng, 35, 90) * path(n, 1, uniform(rng, 1.5, 2.5), 1.2, uniform(rng, 1.5, 3))
    out = _combustion(rng, f0, 120, 2500, 0.2) + 0.6 * harmonics(rng, f0, 0.8, 30)
    return out * path(n, uniform(rng, 0.2, 1), 1, uniform(rng, 0.2, 1))


@sound("airplane")
def airplane(rng: Generator, seconds: float) -> Wave:
    """Broad low roar with a falling whine."""
    n = samples(seconds)
    roar = band(noise(rng, n, uniform(rng, 0.8, 2.0)), 40, log_uniform(rng, 800, 4000))
    whine = harmonics(rng, uniform(rng, 80, 1800) * path(n, 1, uniform(rng, 0.7, 1)), 1.5, 6)
    swell = path(n, uniform(rng, 0.3, 1), 1, uniform(rng, 0.3, 1))
    return (roar / roar.std() + uniform(rng, 0.0, 0.5) * whine) * swell


@sound("train")
def train_ride(rng: Generator, seconds: float) -> Wave:
    """Wheels on joints in pairs over a rumble; sometimes a horn."""
    n = samples(seconds)
    rumble = noise(rng, n, uniform(rng, 1, 2))
    tone = log_uniform(rng, 150, 900)

    def joint() -> Wave:
        out = np.zeros(samples(0.45))
        for start in (0.0, uniform(rng, 0.1, 0.2)):
            m = samples(0.2)
            hit = modal(rng, m, tone * np.array([1, 1.6, 2.7]), 0.12) + noise(rng, m) * decay(m, 0.1)
            place(out, hit, start)
        return out

    out = 0.5 * rumble + uniform(rng, 0.4, 1.5) * train(rng, seconds, (0.4, 1.0), joint, 0.03)
    if rng.random() < 0.3:
        chord = sum(harmonics(rng, np.full(n, f), 1.0, 10) for f in (311.0, 370.0, 466.0))
        out += 0.5 * chord * path(n, 0, 1, 1, 0)
    return out


@sound("hand_saw")
def hand_saw(rng: Generator, seconds: float) -> Wave:
    """Slow strokes of a rasping saw."""
    rate = uniform(rng, 60, 200)
    centre = log_uniform(rng, 900, 3500)

    def stroke() -> Wave:
        n = samples(uniform(rng, 0.2, 0.5))
        teeth = pulses(rate * path(n, 0.7, 1.2, 0.8)) * 8 + 0.5 * noise(rng, n)
        out = resonate(teeth, centre, centre * 0.5) + resonate(teeth, centre * 2.2, centre)
        return out / (out.std() + 1e-9) * hump(rng, n, 0.5)

    return train(rng, seconds, (0.3, 0.7), stroke, 0.1)


@sound("siren")
def siren(rng: Generator, seconds: float) -> Wave:
    """Two tones in turn, or a wail that sweeps."""
    n = samples(seconds)
    low = log_uniform(rng, 350, 900)
    time = np.arange(n) / 16_000
    rate = log_uniform(rng, 0.2, 4)
    swing = np.sin(2 * np.pi * (rate * time + rng.random()))
    if rng.random() < 0.4:
        swing = np.sign(swing)
    f0 = low * (1.3 + uniform(rng, 0.12, 0.35) * swing)
    return harmonics(rng, f0, uniform(rng, 0.8, 2), 12)


@sound("car_horn")
def car_horn(rng: Generator, seconds: float) -> Wave:
    """One or two steady reedy tones, in blasts."""
    pitch = uniform(rng, 280, 520)
    second = pitch * uniform(rng, 1.15, 1.3)
    tilt = uniform(rng, 0.2, 0.8)
    length = uniform(rng, 0.15, 1.5)

    def honk() -> Wave:
        n = samples(length * uniform(rng, 0.6, 1.3))
        tone = harmonics(rng, np.full(n, pitch), tilt, 20)
        return (tone + harmonics(rng, np.full(n, second), tilt, 20)) * hump(rng, n, 0.05) ** 0.3

    return train(rng, seconds, (length + 0.1, length + 1.5), honk)


@sound("church_bells")
def church_bells(rng: Generator, seconds: float) -> Wave:
    """Large bells with a bell's inharmonic partials."""
    root = log_uniform(rng, 180, 700)
    life = uniform(rng, 1.5, 5)
    partials = np.array([0.5, 1.0, 1.19, 1.5, 2.0, 2.6, 3.0, 4.1])

    def toll() -> Wave:
        pitch = root * float(rng.choice([1.0, 1.125, 1.25, 0.84]))
        return modal(rng, samples(min(seconds, life)), pitch * partials, life)

    return train(rng, seconds, (0.5, 2.0), toll, 0.1)


@sound("bicycle_bell")
def bicycle_bell(rng: Generator, seconds: float) -> Wave:
    """Quick double rings, high."""
    modes = log_uniform(rng, 1500, 3500) * np.array([1, 1.01, 2.1, 3.3])

    def ring() -> Wave:
        out = np.zeros(samples(1.0))
        for index in range(int(rng.integers(2, 8))):
            place(out, modal(rng, samples(0.6), modes, 0.6), 0.07 * index)
        return out

    return train(rng, seconds, (0.6, 1.8), ring)


@sound("telephone_ring")
def telephone_ring(rng: Generator, seconds: float) -> Wave:
    """Two tones that alternate fast, in bursts."""
    high = log_uniform(rng, 500, 2000)
    ratio = uniform(rng, 1.1, 1.4)
    warble = uniform(rng, 12, 30)
    length = uniform(rng, 0.4, 1.2)

    def ring() -> Wave:
        n = samples(length)
        swing = np.sign(np.sin(2 * np.pi * warble * np.arange(n) / 16_000))
        return harmonics(rng, high * np.where(swing > 0, 1.0, ratio), 1.2, 6)

    return train(rng, seconds, (length + 0.2, length + 1.5), ring, 0.0)


@sound("tone")
def tone(rng: Generator, seconds: float) -> Wave:
    """One steady pure tone."""
    return sine(np.full(samples(seconds), log_uniform(rng, 120, 6000)))


@sound("chirp")
def chirp(rng: Generator, seconds: float) -> Wave:
    """A pure tone that sweeps steadily up or down."""
    n = samples(seconds)
    ends = np.array([log_uniform(rng, 150, 800), log_uniform(rng, 1800, 7000)])
    first, last = ends if rng.random() < 0.5 else ends[::-1]
    return sine(np.exp(path(n, np.log(first), np.log(last))))


@sound("laser")
def laser(rng: Generator, seconds: float) -> Wave:
    """Quick falling zaps."""
    top = uniform(rng, 2000, 6000)

    def zap() -> Wave:
        n = samples(uniform(rng, 0.08, 0.3))
        f0 = top * np.exp(-np.linspace(0, uniform(rng, 1.5, 3.5), n))
        return harmonics(rng, np.maximum(f0, 60), 1.5, 3) * decay(n, n / 8_000)

    return train(rng, seconds, (0.2, 0.8), zap)


@sound("buzzer")
def buzzer(rng: Generator, seconds: float) -> Wave:
    """A harsh low buzz in blasts."""
    pitch = uniform(rng, 80, 240)
    length = uniform(rng, 0.3, 1.5)

    def blast() -> Wave:
        return harmonics(rng, np.full(samples(length), pitch), uniform(rng, 0.0, 0.4), 40)

    return train(rng, seconds, (length + 0.2, length + 1.0), blast, 0.0)


@sound("sonar")
def sonar(rng: Generator, seconds: float) -> Wave:
    """A ping with long echoes."""
    pitch = log_uniform(rng, 600, 1800)

    def ping() -> Wave:
        n = samples(1.5)
        return sine(pitch * path(n, 1.02, 1.0)) * decay(n, uniform(rng, 0.8, 2))

    return train(rng, seconds, (1.2, 3.0), ping, 0.02)


@sound("gunshot")
def gunshot(rng: Generator, seconds: float) -> Wave:
    """A crack with a low tail."""

    def shot() -> Wave:
        n = samples(uniform(rng, 0.3, 1.2))
        crack = noise(rng, n) * decay(n, 0.06)
        return 2 * crack + noise(rng, n, 1.2) * decay(n, n / 16_000)

    return train(rng, seconds, (0.15, 3.0), shot, 0.3)


@sound("drum")
def drum(rng: Generator, seconds: float) -> Wave:
    """A drum pattern: kicks and snares."""
    pitch = uniform(rng, 50, 180)

    def hit() -> Wave:
        n = samples(0.3)
        skin = sine(pitch * path(n, 1.6, 1.0, 1.0)) * decay(n, uniform(rng, 0.15, 0.4))
        return skin + uniform(rng, 0, 1) * band(noise(rng, n), 800, 7000) * decay(n, 0.15)

    return train(rng, seconds, (0.15, 0.5), hit, 0.05)


@sound("guitar")
def guitar(rng: Generator, seconds: float) -> Wave:
    """Plucked strings."""
    root = log_uniform(rng, 90, 330)

    def pluck() -> Wave:
        pitch = root * 2 ** (float(rng.choice([0, 3, 5, 7, 10, 12])) / 12)
        return modal(rng, samples(1.2), pitch * np.arange(1, 16), 1.5) * 0.5

    return train(rng, seconds, (0.2, 0.8), pluck, 0.1)


@sound("organ")
def organ(rng: Generator, seconds: float) -> Wave:
    """Sustained chords."""
    root = log_uniform(rng, 110, 330)

    def chord() -> Wave:
        n = samples(uniform(rng, 0.6, 1.5))
        shift = 2 ** (float(rng.choice([0, 5, 7, -2])) / 12)
        notes = (1.0, float(rng.choice([1.2, 1.26])), 1.5)
        stack = [harmonics(rng, np.full(n, root * shift * k), 1.3, 8) for k in notes]
        return np.sum(stack, axis=0) * hump(rng, n, 0.1) ** 0.3

    return train(rng, seconds, (0.7, 1.5), chord, 0.05)


@sound("flute")
def flute(rng: Generator, seconds: float) -> Wave:
    """Breathy notes with vibrato."""
    root = log_uniform(rng, 350, 900)

    def note() -> Wave:
        n = samples(uniform(rng, 0.3, 0.9))
        wobble = 1 + 0.008 * np.sin(2 * np.pi * 5.5 * np.arange(n) / 16_000)
        f0 = root * 2 ** (float(rng.choice([0, 2, 4, 5, 7, 9, 11])) / 12) * wobble
        air = band(noise(rng, n), 800, 6000)
        return (harmonics(rng, f0, 2.2, 6) + 0.15 * air) * hump(rng, n, 0.15)

    return train(rng, seconds, (0.35, 0.9), note, 0.1)
