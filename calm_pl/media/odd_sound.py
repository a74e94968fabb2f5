"""Sound that can be read, but of which a model hears little: silence, wrong levels, scraps. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

SILENT, CANCELLING, TOO_LOUD, SHORT = "silent", "cancelling", "too_loud", "short"
MIN_SECONDS = 0.1  # shorter clips give a model no audio token
ODD_SOUND = {
    SILENT: "digitally silent",
    CANCELLING: "silent once the channels are averaged (opposite phase)",
    TOO_LOUD: "more than 10 times above full scale (floats in 16-bit units?)",
    SHORT: f"shorter than {MIN_SECONDS} s and padded with silence",
}
"""What each kind of oddness is, behind "the clip is"."""
_LEAST_SWING = 2.0**-15  # peak to peak: one step of 16 bits
_LEAST_POWER_LEFT = 1e-3  # of the channels' mean power
_LOUDEST = 10.0  # full scale is 1; floats in 16-bit units reach 32,768
_SHOWN = 3


def energy(samples: np.ndarray) -> float:
    """Return the sum of squares, in the precision of the samples; infinity where that overflows."""
    flat = samples.reshape(-1)
    with np.errstate(over="ignore"):
        return float(np.dot(flat, flat))


def cancels(mono_T: np.ndarray, channels_energy: float) -> bool:
    """Return whether averaging the channels has left less than a thousandth of their mean power.

    Args:
        mono_T: the mean of the channels.
        channels_energy: mean over the channels of their energies; 0 for a single channel.
    """
    return channels_energy > 0 and energy(mono_T) < _LEAST_POWER_LEFT * channels_energy


def padded(mono_T: np.ndarray, rate: int) -> np.ndarray:
    """Return a clip with silence behind it where it is shorter than `MIN_SECONDS`."""
    lacking = round(MIN_SECONDS * rate) - len(mono_T)
    return np.pad(mono_T, (0, lacking)) if lacking > 0 else mono_T


def is_silent(mono_T: np.ndarray) -> bool:
    """Return whether samples swing by less than one step of 16 bits."""
    return len(mono_T) == 0 or float(mono_T.max() - mono_T.min()) < _LEAST_SWING


def odd_kinds(windows: Sequence[np.ndarray], cancelling: bool, short: bool) -> tuple[str, ...]:
    """Return the kinds of `ODD_SOUND` that a clip is of, in their order; usually none.

    Args:
        windows: what is heard of it, mono; together they are judged as one.
        cancelling: what `cancels` says of the whole file; such a clip is not called silent as well.
        short: whether it was padded.
    """
    low = min(float(window.min()) for window in windows)
    high = max(float(window.max()) for window in windows)
    found = {
        SILENT: high - low < _LEAST_SWING and not cancelling,
        CANCELLING: cancelling,
        TOO_LOUD: max(high, -low) > _LOUDEST,
        SHORT: short,
    }
    return tuple(kind for kind in ODD_SOUND if found[kind])


def odd_sentence(kind: str, names: Sequence[str], file: str = "") -> str:
    """Say how many clips are of one kind, and name the first few.

    Args:
        kind: of `ODD_SOUND`.
        names: of all of them.
        file: where all of them are listed; empty where they are not.
    """
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    listed = f" ({file})" if file else ""
    are = "clip is" if len(names) == 1 else "clips are"
    return f"{len(names):,} {are} {ODD_SOUND[kind]}: {', '.join(names[:_SHOWN])}{more}{listed}."


def odd_sentences(kinds: Mapping[str, Sequence[str]], file: str = "") -> list[str]:
    """Say how many clips are of each kind that there is, and name the first few.

    Args:
        kinds: of each odd clip, by its name.
        file: where all of them are listed; empty where they are not.
    """
    names = {kind: [name for name, own in kinds.items() if kind in own] for kind in ODD_SOUND}
    return [odd_sentence(kind, found, file) for kind, found in names.items() if found]
