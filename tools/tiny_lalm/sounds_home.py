"""Procedural sounds of a home: knocks, keys, clocks, glass, appliances, small objects."""

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
    place,
    pulses,
    resonate,
    samples,
    scatter,
    sine,
    train,
    uniform,
)
from tiny_lalm.registry import sound


def _click(rng: Generator, low: float, high: float, life: float) -> Wave:
    """A short click: a noise transient and two or three quickly damped modes."""
    n = samples(max(0.004, life))
    modes = modal(rng, n, rng.uniform(low, high, 3), life)
    return modes + uniform(rng, 0.2, 1.0) * band(noise(rng, n) * decay(n, life / 3), low, 7900)


@sound("door_wood_knock")
def door_wood_knock(rng: Generator, seconds: float) -> Wave:
    """Knocks on wood in groups."""
    modes = log_uniform(rng, 90, 350) * np.array([1, 1.8, 2.7, 4.1])
    life = uniform(rng, 0.08, 0.25)
    gap = uniform(rng, 0.12, 0.35)

    def group() -> Wave:
        out = np.zeros(samples(1.6))
        for index in range(int(rng.integers(2, 5))):
            n = samples(0.3)
            hit = modal(rng, n, modes, life) + 0.5 * noise(rng, n, 0.5) * decay(n, 0.02)
            place(out, hit, index * gap, uniform(rng, 0.7, 1))
        return out

    return train(rng, seconds, (1.2, 3.0), group)


@sound("mouse_click")
def mouse_click(rng: Generator, seconds: float) -> Wave:
    """Pairs of tiny clicks: press and release."""
    low = log_uniform(rng, 1500, 3500)

    def pair() -> Wave:
        out = np.zeros(samples(0.2))
        place(out, _click(rng, low, low * 2, 0.008), 0)
        place(out, _click(rng, low * 1.2, low * 2, 0.006), uniform(rng, 0.06, 0.15), 0.6)
        return out

    return train(rng, seconds, (0.3, 1.5), pair, 0.5)


@sound("keyboard_typing")
def keyboard_typing(rng: Generator, seconds: float) -> Wave:
    """Irregular quick key strokes."""
    low = log_uniform(rng, 600, 2500)

    def key() -> Wave:
        return _click(rng, low * uniform(rng, 0.8, 1.2), low * 2.5, uniform(rng, 0.012, 0.04))

    return train(rng, seconds, (0.08, 0.22), key, 0.7)


@sound("door_wood_creaks")
def door_wood_creaks(rng: Generator, seconds: float) -> Wave:
    """Stick and slip: a pulse train of gliding rate through wood."""

    def creak() -> Wave:
        n = samples(uniform(rng, 0.5, 2.0))
        rate = contour(rng, n, 4, 30, log_uniform(rng, 100, 500))
        source = pulses(rate) * contour(rng, n, 30, 0.3, 1)
        out = np.zeros(n)
        for centre in rng.uniform(400, 3500, 4):
            out += resonate(source, centre, centre * 0.06)
        return out / (out.std() + 1e-9) * hump(rng, n)

    return train(rng, seconds, (1.0, 3.0), creak)


@sound("can_opening")
def can_opening(rng: Generator, seconds: float) -> Wave:
    """A metal snap and a short hiss of gas."""
    out = np.zeros(samples(min(seconds, uniform(rng, 0.8, 2.0))))
    start = uniform(rng, 0.02, 0.2)
    place(out, 2 * _click(rng, 1500, 5000, 0.05), start)
    n = samples(uniform(rng, 0.2, 0.6))
    place(out, band(noise(rng, n), 2000, 7900) * decay(n, n / 16_000), start + 0.02)
    place(out, _click(rng, 800, 4000, 0.12), start + uniform(rng, 0.2, 0.6))
    return out


@sound("washing_machine")
def washing_machine(rng: Generator, seconds: float) -> Wave:
    """A drum that turns: hum, slosh and a slow beat."""
    n = samples(seconds)
    turn = uniform(rng, 0.7, 3.0)
    swing = 0.5 + 0.5 * np.sin(2 * np.pi * turn * np.arange(n) / 16_000)
    hum = harmonics(rng, np.full(n, uniform(rng, 45, 130)), 1.3, 12)
    slosh = band(noise(rng, n, 1.0), 80, log_uniform(rng, 800, 3000))
    return uniform(rng, 0.2, 1) * hum + slosh / slosh.std() * (0.3 + swing)


@sound("vacuum_cleaner")
def vacuum_cleaner(rng: Generator, seconds: float) -> Wave:
    """A loud steady motor whine in broad noise."""
    n = samples(seconds)
    motor = harmonics(rng, uniform(rng, 150, 500) * contour(rng, n, 1, 0.97, 1.03), 0.9, 15)
    air = band(noise(rng, n, uniform(rng, 0.3, 1)), 100, uniform(rng, 4000, 7900))
    return uniform(rng, 0.2, 0.8) * motor + air / air.std()


@sound("clock_alarm")
def clock_alarm(rng: Generator, seconds: float) -> Wave:
    """Electronic beeps in groups."""
    pitch = log_uniform(rng, 700, 4000)
    length = uniform(rng, 0.04, 0.2)
    count = int(rng.integers(1, 5))
    tilt = uniform(rng, 0.8, 3)

    def group() -> Wave:
        n = samples(length)
        beep = harmonics(rng, np.full(n, pitch), tilt, 5)
        return np.concatenate([np.concatenate([beep, np.zeros(n)])] * count)

    return train(rng, seconds, (2.2 * length * count, 2.2 * length * count + 0.7), group, 0.0)


@sound("clock_tick")
def clock_tick(rng: Generator, seconds: float) -> Wave:
    """Regular ticks, often two colours in turn."""
    low = log_uniform(rng, 500, 4000)
    life = log_uniform(rng, 0.006, 0.06)
    second = uniform(rng, 0.7, 1.3)
    ratio = uniform(rng, 0.2, 1.0)
    modes = rng.uniform(1, 3, 4)
    tick_tock = bool(rng.random() < 0.6)
    turn = 0

    def tick() -> Wave:
        nonlocal turn
        turn += 1
        other = tick_tock and turn % 2 == 0
        shift, gain = (second, ratio) if other else (1.0, 1.0)
        n = samples(max(0.02, life))
        body = modal(rng, n, np.minimum(low * shift * modes, 7500), life)
        snap = noise(rng, n) * decay(n, min(0.006, life))
        return gain * (body + uniform(rng, 0.3, 0.8) * snap)

    return train(rng, seconds, (0.18, 1.05), tick, 0.01)


@sound("glass_breaking")
def glass_breaking(rng: Generator, seconds: float) -> Wave:
    """A crash, then ringing shards."""
    out = np.zeros(samples(min(seconds, uniform(rng, 0.8, 2.5))))
    start = uniform(rng, 0.0, 0.2)
    n = samples(0.25)
    place(out, 2 * band(noise(rng, n) * decay(n, 0.2), 1000, 7900), start)
    for _ in range(int(rng.integers(12, 40))):
        m = samples(uniform(rng, 0.05, 0.3))
        shard = modal(rng, m, rng.uniform(1800, 7500, 3), m / 16_000)
        place(out, shard, start + float(rng.exponential(0.25)), log_uniform(rng, 0.05, 0.7))
    return out


@sound("coin_drop")
def coin_drop(rng: Generator, seconds: float) -> Wave:
    """A coin that bounces faster and faster."""
    out = np.zeros(samples(min(seconds, 2.5)))
    modes = log_uniform(rng, 2500, 5000) * np.array([1, 1.35, 1.9])
    gap, start, gain = uniform(rng, 0.2, 0.45), 0.05, 1.0
    while gap > 0.012 and start < 2.4:
        place(out, modal(rng, samples(0.3), modes, 0.25), start, gain)
        start, gap, gain = start + gap, gap * uniform(rng, 0.65, 0.85), gain * 0.85
    return out


@sound("ball_bounce")
def ball_bounce(rng: Generator, seconds: float) -> Wave:
    """A ball's thuds, closer and closer."""
    out = np.zeros(samples(min(seconds, 3.5)))
    pitch = log_uniform(rng, 80, 400)
    gap, start, gain = uniform(rng, 0.4, 0.8), 0.05, 1.0
    while gap > 0.03 and start < 3.4:
        n = samples(0.12)
        thud = modal(rng, n, pitch * np.array([1, 2.1, 3.7]), 0.1)
        place(out, thud + 0.3 * noise(rng, n, 1) * decay(n, 0.02), start, gain)
        start, gap, gain = start + gap, gap * uniform(rng, 0.7, 0.9), gain * 0.85
    return out


@sound("zipper_pull")
def zipper_pull(rng: Generator, seconds: float) -> Wave:
    """A rapid row of teeth, rising in rate."""

    def pull() -> Wave:
        n = samples(uniform(rng, 0.3, 1.0))
        source = pulses(path(n, uniform(rng, 40, 100), uniform(rng, 150, 400)))
        out = resonate(source, uniform(rng, 2500, 5000), 1500) + 0.05 * noise(rng, n)
        return out / (out.std() + 1e-9) * hump(rng, n)

    return train(rng, seconds, (0.8, 2.0), pull)


@sound("fan")
def fan(rng: Generator, seconds: float) -> Wave:
    """Soft air noise with a blade beat."""
    n = samples(seconds)
    air = band(noise(rng, n, uniform(rng, 0.8, 1.6)), 60, log_uniform(rng, 1000, 4000))
    beat = 1 + 0.25 * np.sin(2 * np.pi * uniform(rng, 8, 40) * np.arange(n) / 16_000)
    return air / air.std() * beat


@sound("hum")
def hum(rng: Generator, seconds: float) -> Wave:
    """Mains hum."""
    n = samples(seconds)
    base = float(rng.choice([50.0, 60.0, 100.0, 120.0]))
    return harmonics(rng, np.full(n, base), uniform(rng, 0.7, 1.6), 20) + 0.05 * noise(rng, n, 1)


@sound("printer")
def printer(rng: Generator, seconds: float) -> Wave:
    """Strokes of a carriage with a whirr."""
    whirr = uniform(rng, 200, 700)

    def line() -> Wave:
        n = samples(uniform(rng, 0.15, 0.4))
        motor = harmonics(rng, whirr * path(n, 0.8, 1.1, 0.9), 0.8, 10)
        return (motor + 0.4 * band(noise(rng, n), 1000, 6000)) * hump(rng, n, 0.3)

    return train(rng, seconds, (0.25, 0.7), line, 0.05)


@sound("music_box")
def music_box(rng: Generator, seconds: float) -> Wave:
    """Plucked metal notes of a scale."""
    root = log_uniform(rng, 500, 1200)

    def note() -> Wave:
        pitch = root * 2 ** (float(rng.choice([0, 2, 4, 7, 9, 12])) / 12)
        return modal(rng, samples(0.8), pitch * np.array([1, 2.0, 5.4]), 0.9)

    return train(rng, seconds, (0.15, 0.5), note, 0.1)


@sound("geiger_counter")
def geiger_counter(rng: Generator, seconds: float) -> Wave:
    """Random identical clicks."""
    click = _click(rng, 1500, 5000, 0.006)
    out = np.zeros(samples(seconds))
    for start in rng.uniform(0, seconds, rng.poisson(log_uniform(rng, 4, 40) * seconds) + 1):
        place(out, click, float(start))
    return out


@sound("static_radio")
def static_radio(rng: Generator, seconds: float) -> Wave:
    """Band-limited noise with crackle and drifting whistles."""
    n = samples(seconds)
    out = band(noise(rng, n), 300, 3400) * contour(rng, n, 12, 0.3, 1)
    out += 0.4 * sine(contour(rng, n, 2, 400, 2500)) * contour(rng, n, 2, 0, 1)
    return out + scatter(rng, seconds, 15, lambda: 2 * _click(rng, 500, 4000, 0.01))
