"""What the headers of clips state, without decoding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from calm_pl.errors import BadClipError
from calm_pl.media.signatures import identify
from calm_pl.media.sound_readers import NO_TOTAL

_THREADS = 8  # they wait for the disk
_USUAL_NAMES = {"mov": "mp4", "matroska": "mkv", "nistsphere": "sph"}  # of FFmpeg's demuxers


class Header(NamedTuple):
    """What a file's first bytes state; None where they do not, or only a decoder could tell.

    Attributes:
        format: by content, such as `wav` and `mp4`; empty where unknown.
        seconds: duration; not stated by video containers and streams.
        rate: samples a second.
        channels: number of them.
    """

    format: str
    seconds: float | None = None
    rate: int | None = None
    channels: int | None = None


def read_headers(paths: Sequence[Path]) -> Iterator[Header]:
    """Yield the header of each file, in order. A file that cannot be opened states nothing."""
    with ThreadPoolExecutor(_THREADS) as threads:
        yield from threads.map(_header, paths)


def header_seconds(paths: Sequence[Path]) -> list[float | None]:
    """Return the duration of each audio file; None if the header does not state it, as in video containers.

    A file that cannot be opened has no length either: decoding says what is wrong with it.
    """
    with ThreadPoolExecutor(_THREADS) as threads:
        return [_seconds(info) for info in threads.map(_info, paths)]


def _header(path: Path) -> Header:
    try:
        kind = identify(path)
    except BadClipError:
        return Header("")
    name = kind.container or kind.sound or ""
    name = _USUAL_NAMES.get(name, name)
    info = None if kind.container else _info(path)
    if info is None:
        return Header(name)
    return Header(name or info.format.lower(), _seconds(info), info.samplerate, info.channels)


def _info(path: Path) -> Any:
    """Return what soundfile reads of a header; None for what it does not know."""
    import soundfile

    try:
        return soundfile.info(str(path))
    except (OSError, RuntimeError, TypeError):
        return None


def _seconds(info: Any) -> float | None:
    known = info is not None and info.samplerate and info.frames < NO_TOTAL
    return info.frames / info.samplerate if known else None
