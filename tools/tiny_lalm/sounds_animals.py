"""Procedural animal calls."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from tiny_lalm.dsp import (
    Wave,
    band,
    contour,
    decay,
    fade,
    harmonics,
    hump,
    log_uniform,
    noise,
    path,
    pulses,
    resonate,
    samples,
    scatter,
    sine,
    train,
    uniform,
    voice,
)
from tiny_lalm.registry import sound


@sound("dog")
def dog(rng: Generator, seconds: float) -> Wave:
    """Barks: short, abrupt, rough, with a pitch that rises and falls."""
    base = log_uniform(rng, 140, 900)
    length = uniform(rng, 0.08, 0.3)
    size = uniform(rng, 0.7, 1.5)
    rough = uniform(rng, 0.2, 1.5)

    def bark() -> Wave:
        n = samples(length * uniform(rng, 0.8, 1.2))
        f0 = base * path(n, uniform(rng, 0.6, 0.9), uniform(rng, 1, 1.5), uniform(rng, 0.5, 0.9))
        f0 = f0 * (1 + 0.04 * rough * noise(rng, n, 1.0))
        formants = [size * uniform(rng, 450, 800), size * uniform(rng, 1000, 1700), 2600 * size]
        body = voice(rng, np.maximum(f0, 40), formants, breath=0.3 * rough)
        return body * hump(rng, n, uniform(rng, 0.05, 0.3))

    if rng.random() < 0.12:
        n = samples(seconds)
        growl = pulses(contour(rng, n, 3, 25, 70)) * contour(rng, n, 60, 0.3, 1)
        body = resonate(growl, 400 * size, 300) + 0.6 * resonate(growl, 1100 * size, 400)
        return body / (body.std() + 1e-9) * contour(rng, n, 2, 0.2, 1)
    gap = (seconds + 1, seconds + 2) if rng.random() < 0.35 else (0.25, 1.2)
    return train(rng, seconds, gap, bark, 0.35)


@sound("rooster")
def rooster(rng: Generator, seconds: float) -> Wave:
    """A crow: two or three short notes, then a long one that falls."""
    base = log_uniform(rng, 380, 950)

    def crow() -> Wave:
        parts = []
        for _ in range(int(rng.integers(1, 4))):
            n = samples(uniform(rng, 0.08, 0.25))
            f0 = base * path(n, uniform(rng, 0.6, 0.9), uniform(rng, 0.9, 1.2), 0.8)
            parts.append(_crow_note(rng, f0))
            parts.append(np.zeros(samples(uniform(rng, 0.01, 0.1))))
        n = samples(uniform(rng, 0.5, 1.4))
        f0 = base * path(n, 0.9, uniform(rng, 1.1, 1.4), uniform(rng, 1.0, 1.3), 0.9, 0.5)
        parts.append(_crow_note(rng, f0))
        return np.concatenate(parts)

    return train(rng, seconds, (2.0, 6.0), crow, 0.2)


def _crow_note(rng: Generator, f0: Wave) -> Wave:
    body = voice(rng, f0, [f0.mean() * 2, uniform(rng, 1500, 2200), uniform(rng, 2600, 3800)], 0.2)
    return body * hump(rng, len(f0), uniform(rng, 0.1, 0.4))


@sound("pig")
def pig(rng: Generator, seconds: float) -> Wave:
    """Grunts and, now and then, a squeal."""
    base = uniform(rng, 40, 110)

    def grunt() -> Wave:
        n = samples(uniform(rng, 0.1, 0.45))
        source = pulses(base * contour(rng, n, 12, 0.6, 1.4)) + 0.05 * noise(rng, n)
        body = resonate(source, uniform(rng, 250, 600), 150) + resonate(source, 1300, 300)
        return body / (body.std() + 1e-9) * hump(rng, n)

    def squeal() -> Wave:
        n = samples(uniform(rng, 0.3, 0.9))
        f0 = contour(rng, n, 8, 600, 1500)
        return voice(rng, f0, [1200, 2600, 3800], 0.5) * hump(rng, n)

    return train(rng, seconds, (0.25, 0.9), squeal if rng.random() < 0.25 else grunt, 0.4)


@sound("cow")
def cow(rng: Generator, seconds: float) -> Wave:
    """A long low moo."""
    base = uniform(rng, 80, 220)

    def moo() -> Wave:
        n = samples(uniform(rng, 0.9, 2.5))
        f0 = base * path(n, 0.8, uniform(rng, 1, 1.5), uniform(rng, 1, 1.4), 0.8)
        body = voice(rng, f0, [uniform(rng, 250, 450), uniform(rng, 700, 1100), 2200], 0.08)
        return body * hump(rng, n, 0.3)

    return train(rng, seconds, (1.8, 4.0), moo)


@sound("frog")
def frog(rng: Generator, seconds: float) -> Wave:
    """Croaks: fast pulse trains with one strong resonance."""
    rate = uniform(rng, 20, 70)
    formant = log_uniform(rng, 400, 2500)

    def croak() -> Wave:
        n = samples(uniform(rng, 0.1, 0.6))
        body = resonate(pulses(rate * contour(rng, n, 5, 0.8, 1.3)), formant, formant * 0.12)
        return body / (body.std() + 1e-9) * hump(rng, n)

    return train(rng, seconds, (0.3, 1.2), croak, 0.2)


@sound("cat")
def cat(rng: Generator, seconds: float) -> Wave:
    """Meows: a pitch arch while the mouth opens and closes."""
    base = log_uniform(rng, 320, 900)

    def meow() -> Wave:
        n = samples(uniform(rng, 0.35, 1.2))
        f0 = base * path(n, 0.8, uniform(rng, 1.0, 1.4), uniform(rng, 0.9, 1.2), 0.7)
        closed = voice(rng, f0, [700, 2400, 3500], 0.05)
        opened = voice(rng, f0, [1100, 1900, 3800], 0.1)
        mouth = np.sin(np.linspace(0, np.pi, n))
        return (opened * mouth + closed * (1 - mouth)) * hump(rng, n, 0.25)

    return train(rng, seconds, (0.8, 3.0), meow)


@sound("hen")
def hen(rng: Generator, seconds: float) -> Wave:
    """Clucks, quick and throaty."""
    base = log_uniform(rng, 350, 800)

    def cluck() -> Wave:
        n = samples(uniform(rng, 0.04, 0.16))
        f0 = base * path(n, uniform(rng, 0.8, 1.4), uniform(rng, 0.6, 1.1))
        return voice(rng, f0, [1000, 2000, 3000], 0.4) * hump(rng, n, 0.2)

    return train(rng, seconds, (0.12, 0.6), cluck, 0.5)


@sound("insects")
def insects(rng: Generator, seconds: float) -> Wave:
    """A buzzing fly or bee that comes and goes."""
    n = samples(seconds)
    f0 = log_uniform(rng, 110, 320) * contour(rng, n, 5, 0.85, 1.15)
    return harmonics(rng, f0, uniform(rng, 0.3, 1.1)) * contour(rng, n, 3, 0.1, 1.0)


@sound("sheep")
def sheep(rng: Generator, seconds: float) -> Wave:
    """Bleats with a strong tremor."""
    base = uniform(rng, 180, 480)
    tremor = uniform(rng, 7, 14)

    def bleat() -> Wave:
        n = samples(uniform(rng, 0.5, 1.3))
        wobble = np.sin(2 * np.pi * tremor * np.arange(n) / 16_000)
        body = voice(rng, base * (1 + 0.06 * wobble), [700, 1400, 2600], 0.2)
        return body * (0.6 + 0.4 * wobble) * hump(rng, n, 0.2)

    return train(rng, seconds, (0.9, 2.5), bleat)


@sound("crow")
def crow(rng: Generator, seconds: float) -> Wave:
    """Harsh caws."""
    base = uniform(rng, 280, 600)
    length = uniform(rng, 0.2, 0.5)

    def caw() -> Wave:
        n = samples(length * uniform(rng, 0.8, 1.2))
        f0 = base * path(n, 0.9, 1.1, 0.8) * (1 + 0.1 * noise(rng, n, 0.5))
        return voice(rng, np.maximum(f0, 60), [1100, 1700, 2700], 0.9) * hump(rng, n, 0.2)

    return train(rng, seconds, (0.4, 1.2), caw, 0.2)


@sound("crickets")
def crickets(rng: Generator, seconds: float) -> Wave:
    """High pulsed tones, several insects at once."""
    out = np.zeros(samples(seconds))
    for _ in range(int(rng.integers(1, 4))):
        pitch = uniform(rng, 2500, 6500)
        pulse = uniform(rng, 0.008, 0.03)
        count = int(rng.integers(2, 9))

        def chirp(pitch: float = pitch, pulse: float = pulse, count: int = count) -> Wave:
            n = samples(pulse)
            one = sine(np.full(n, pitch)) * hump(rng, n, 0.4)
            return np.concatenate([np.concatenate([one, np.zeros(n // 2)])] * count)

        out += uniform(rng, 0.3, 1) * train(rng, seconds, (0.15, 0.9), chirp, 0.05)
    return out


@sound("chirping_birds")
def chirping_birds(rng: Generator, seconds: float) -> Wave:
    """Whistled notes that sweep fast, in motifs."""
    low = log_uniform(rng, 1500, 4000)
    shape = rng.uniform(0.7, 1.7, 4)

    def note() -> Wave:
        n = samples(uniform(rng, 0.03, 0.2))
        f0 = low * path(n, *(shape * rng.uniform(0.9, 1.1, 4)))
        if rng.random() < 0.3:
            trill = np.sin(2 * np.pi * uniform(rng, 20, 60) * np.arange(n) / 16_000)
            f0 = f0 * (1 + 0.1 * trill)
        return sine(np.minimum(f0, 7500)) * hump(rng, n)

    calls = train(rng, seconds, (0.08, 0.5), note, 0.5)
    return calls + uniform(rng, 0, 0.5) * scatter(rng, seconds, 2, note)


@sound("owl")
def owl(rng: Generator, seconds: float) -> Wave:
    """Soft low hoots."""
    base = uniform(rng, 250, 550)

    def hoot() -> Wave:
        n = samples(uniform(rng, 0.15, 0.6))
        f0 = base * path(n, 0.95, 1.03, 0.92)
        return (sine(f0) + 0.1 * sine(2 * f0)) * hump(rng, n, 0.3)

    return train(rng, seconds, (0.4, 1.5), hoot, 0.3)


@sound("wolf_howl")
def wolf_howl(rng: Generator, seconds: float) -> Wave:
    """A long gliding howl."""
    n = samples(min(seconds, uniform(rng, 1.5, 4.0)))
    f0 = uniform(rng, 250, 550) * path(n, 0.6, 1.2, 1.1, 1.2, 0.7)
    return harmonics(rng, f0, uniform(rng, 1.5, 2.5)) * hump(rng, n, 0.3)


@sound("heartbeat")
def heartbeat(rng: Generator, seconds: float) -> Wave:
    """Two dull thumps, again and again."""
    pitch = uniform(rng, 35, 90)
    apart = uniform(rng, 0.15, 0.3)

    def beat() -> Wave:
        n = samples(0.12)
        thump = fade(sine(np.full(n, pitch)) * decay(n, 0.2) + 0.1 * band(noise(rng, n), 30, 200))
        rest = np.zeros(samples(apart) - n if samples(apart) > n else 16)
        return np.concatenate([thump, rest, 0.7 * thump])

    return train(rng, seconds, (0.5, 1.1), beat, 0.05)
