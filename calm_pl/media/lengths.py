"""Durations of clips from their headers, without decoding."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from calm_pl.media.sound_readers import NO_TOTAL

_THREADS = 8  # they wait for the disk


def header_seconds(paths: Sequence[Path]) -> list[float | None]:
    """Return the duration of each audio file; None if the header does not state it, as in video containers.

    A file that cannot be opened has no length either: decoding says what is wrong with it.
    """
    with ThreadPoolExecutor(_THREADS) as threads:
        return list(threads.map(_seconds, paths))


def _seconds(path: Path) -> float | None:
    import soundfile

    try:
        info = soundfile.info(str(path))
    except (OSError, RuntimeError, TypeError):
        return None
    known = info.samplerate and info.frames < NO_TOTAL
    return info.frames / info.samplerate if known else None
