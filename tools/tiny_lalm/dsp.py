"""Building blocks of the procedural sounds: noise, filters, envelopes, resonators, a voice.

Every function takes and returns mono float arrays at 16 kHz; randomness comes from the generator
that is passed in, so a clip depends on its seed alone.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from scipy.signal import lfilter, sosfilt

RATE = 16_000
Wave = np.ndarray
Event = Callable[[], Wave]


def uniform(rng: Generator, low: float, high: float) -> float:
    """Draw from U(low, high)."""
    return float(rng.uniform(low, high))


def log_uniform(rng: Generator, low: float, high: float) -> float:
    """Draw log-uniformly from [low, high]."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def samples(seconds: float) -> int:
    """Return the number of samples of a duration, at least 16."""
    return max(16, int(seconds * RATE))


def noise(rng: Generator, n: int, slope: float = 0.0) -> Wave:
    """Return noise whose power falls by ``slope`` x 3 dB an octave, at unit RMS."""
    if slope == 0.0:
        return rng.standard_normal(n)
    spectrum = np.fft.rfft(rng.standard_normal(n))
    frequency = np.maximum(np.fft.rfftfreq(n, 1 / RATE), 20.0)
    shaped = np.fft.irfft(spectrum * frequency ** (-slope / 2), n)
    return shaped / (shaped.std() + 1e-9)


def band(wave: Wave, low: float, high: float) -> Wave:
    """Keep about ``low`` to ``high`` hertz with second-order slopes."""
    high = min(high, 0.98 * RATE / 2)
    low = max(low, 15.0)
    sections = []
    for frequency, is_low in ((high, True), (low, False)):
        omega = 2 * np.pi * frequency / RATE
        alpha = np.sin(omega) / 1.414
        cosine = np.cos(omega)
        edge = (1 - cosine) / 2 if is_low else (1 + cosine) / 2
        middle = 2 * edge if is_low else -2 * edge
        a0 = 1 + alpha
        sections.append([edge / a0, middle / a0, edge / a0, 1.0, -2 * cosine / a0, (1 - alpha) / a0])
    return sosfilt(np.array(sections), wave)


def resonate(wave: Wave, frequency: float, bandwidth: float) -> Wave:
    """Pass through one two-pole resonator of about unit gain at its peak."""
    frequency = min(frequency, 0.95 * RATE / 2)
    radius = np.exp(-np.pi * bandwidth / RATE)
    theta = 2 * np.pi * frequency / RATE
    gain = (1 - radius) * np.sqrt(1 - 2 * radius * np.cos(2 * theta) + radius**2)
    return lfilter([gain], [1.0, -2 * radius * np.cos(theta), radius**2], wave)


def decay(n: int, seconds: float) -> Wave:
    """Return an exponential decay that falls by 60 dB in ``seconds``."""
    return np.exp(-6.9 * np.arange(n) / (seconds * RATE))


def hump(rng: Generator, n: int, attack: float | None = None) -> Wave:
    """Return a rise to 1 and a fall to 0, the peak at the fraction ``attack``."""
    peak = attack if attack is not None else uniform(rng, 0.1, 0.5)
    position = np.linspace(0, 1, n)
    shape = np.where(position < peak, position / peak, (1 - position) / (1 - peak))
    return np.sin(0.5 * np.pi * shape) ** uniform(rng, 0.7, 2.0)


def fade(wave: Wave, seconds: float = 0.005) -> Wave:
    """Fade both ends in and out."""
    n = min(samples(seconds), len(wave) // 2)
    ramp = np.linspace(0, 1, n)
    out = wave.copy()
    out[:n] *= ramp
    out[-n:] *= ramp[::-1]
    return out


def contour(rng: Generator, n: int, rate: float, low: float, high: float) -> Wave:
    """Return a smooth random curve between ``low`` and ``high`` with ``rate`` knots a second."""
    knots = max(2, int(n / RATE * rate) + 2)
    return np.interp(np.linspace(0, knots - 1, n), np.arange(knots), rng.uniform(low, high, knots))


def path(n: int, *values: float) -> Wave:
    """Return straight lines through equally spaced values."""
    return np.interp(np.linspace(0, len(values) - 1, n), np.arange(len(values)), values)


def phase(frequency: Wave) -> Wave:
    """Integrate a frequency contour in hertz to radians."""
    return 2 * np.pi * np.cumsum(frequency) / RATE


def sine(frequency: Wave) -> Wave:
    """Return a sine along a frequency contour."""
    return np.sin(phase(frequency))


def harmonics(rng: Generator, f0: Wave, tilt: float = 1.0, limit: int = 40) -> Wave:
    """Return a band-limited tone along ``f0`` whose k-th partial has amplitude k ** -tilt."""
    top = min(limit, max(1, int(0.95 * RATE / 2 / max(float(f0.max()), 20.0))))
    base = phase(f0)
    out = np.zeros(len(f0))
    for k in range(1, top + 1):
        out += k**-tilt * np.sin(k * base + uniform(rng, 0, 6.28))
    return out / (out.std() + 1e-9)


def pulses(f0: Wave, jitter: Wave | None = None) -> Wave:
    """Return one impulse a period along ``f0``."""
    cycles = np.cumsum(f0) / RATE
    if jitter is not None:
        cycles = cycles + jitter
    train = np.zeros(len(f0))
    train[1:] = np.maximum(0, np.diff(np.floor(cycles)))
    return train


def voice(rng: Generator, f0: Wave, formants: list[float], breath: float = 0.1) -> Wave:
    """Return a voiced sound: a harmonic source with breath noise through formants."""
    source = harmonics(rng, f0, tilt=uniform(rng, 0.6, 1.3))
    source = source + breath * noise(rng, len(f0))
    out = np.zeros(len(f0))
    for index, frequency in enumerate(formants):
        out += resonate(source, frequency, uniform(rng, 60, 220) * (1 + 0.3 * index)) / (1 + index)
    return out / (out.std() + 1e-9)


def modal(rng: Generator, n: int, frequencies: np.ndarray, seconds: float) -> Wave:
    """Return a struck body: decaying sines, higher modes dying sooner."""
    time = np.arange(n) / RATE
    out = np.zeros(n)
    lowest = max(float(np.min(frequencies)), 20.0)
    for frequency in frequencies:
        if frequency < 0.97 * RATE / 2:
            life = seconds * (lowest / frequency) ** uniform(rng, 0.2, 0.8)
            swing = np.sin(2 * np.pi * frequency * time + uniform(rng, 0, 6.28))
            out += uniform(rng, 0.3, 1.0) * swing * np.exp(-6.9 * time / life)
    return out


def place(out: Wave, event: Wave, start: float, gain: float = 1.0) -> None:
    """Add an event to ``out`` at ``start`` seconds, cut where ``out`` ends."""
    first = int(start * RATE)
    if 0 <= first < len(out):
        last = min(len(out), first + len(event))
        out[first:last] += gain * event[: last - first]


def train(
    rng: Generator, seconds: float, gap: tuple[float, float], event: Event, spread: float = 0.3
) -> Wave:
    """Repeat an event with gaps drawn once from ``gap`` and varied by ``spread``."""
    out = np.zeros(samples(seconds))
    step = log_uniform(rng, *gap)
    start = uniform(rng, 0, min(step, 0.3))
    while start < seconds:
        place(out, event(), start, uniform(rng, 0.6, 1.0))
        start += step * uniform(rng, 1 - spread, 1 + spread)
    return out


def scatter(rng: Generator, seconds: float, rate: float, event: Event) -> Wave:
    """Drop events at Poisson times, ``rate`` a second, with widely different gains."""
    out = np.zeros(samples(seconds))
    for start in rng.uniform(0, seconds, rng.poisson(rate * seconds) + 1):
        place(out, event(), float(start), log_uniform(rng, 0.15, 1.0))
    return out


def room(rng: Generator, wave: Wave, seconds: float, wet: float) -> Wave:
    """Add the reverberation of a synthetic room."""
    n = samples(seconds)
    impulse = noise(rng, n, uniform(rng, 0, 1.5)) * decay(n, seconds)
    impulse[: samples(uniform(rng, 0.001, 0.02))] = 0
    impulse /= np.sqrt((impulse**2).sum()) + 1e-9
    size = 1 << (len(wave) + n).bit_length()
    tail = np.fft.irfft(np.fft.rfft(wave, size) * np.fft.rfft(impulse, size), size)
    return wave + wet * tail[: len(wave)]
